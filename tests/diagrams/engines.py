"""Runs of the conversation as other engines can follow them, and those engines.

What guards ask for depends on memory and on what an event brings, which an export does not hold. So our own run is
recorded event by event, each with the answers that its guards gave, and another engine is asked to take the same
events with the same answers. Which edges it tries, in which order, inner states before outer ones, and where it then
is, is its own doing. A guard that it asks and we did not is an error: it tried an edge that was not its turn.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct
from statemachine.io import load

from statecharts.conversation import PARTS, ConversationChart
from statecharts.possibilities import VARIANTS, ConversationMachine
from statecharts.table import Row, Table, declared

__all__ = ["Micro", "follow_scxml", "follow_xstate", "record"]

XSTATE = "5.33.3"
_ENDING = frozenset({"session_ended", "resume_wait"})
"""Nobody hangs up until the end, or most runs would be short."""
_DRIVER = Path(__file__).with_name("follow_xstate.cjs")


class Micro(Struct):
    """One event that the chart was given, or raised itself."""

    event: str
    held: dict[str, bool]
    """What the guards answered that were asked."""
    after: str = ""
    """The state then."""


class _Recorded(Table):
    """The conversation's table, noting what is asked of it."""

    def __init__(self) -> None:
        declaration = declared(ConversationChart)
        guards = {guard.name for edge in declaration.edges for guard in edge.guards}
        super().__init__(declaration, PARTS, {name: self._noting(name) for name in guards})
        self.micros: list[Micro] = []

    def candidates(self, leaf: str, event: str) -> tuple[Row, ...]:
        if self.micros:
            self.micros[-1].after = self.micros[-1].after or leaf
        self.micros.append(Micro(event, {}))
        return super().candidates(leaf, event)

    def _noting(self, name: str) -> Callable[..., object]:
        original = next(getattr(part, name) for part in PARTS if hasattr(part, name))

        def noting(*given: object) -> bool:
            answer = bool(original(*given))
            self.micros[-1].held[name] = answer
            return answer

        return noting


def record(seed: int, length: int) -> list[Micro]:
    """Return a random run of the conversation, under the rules that belong to the seed.

    Edges that were taken seldom are likelier, and so are states: else a run would mostly begin turns.
    """
    chosen = random.Random(seed)
    table = _Recorded()
    machine = ConversationMachine(VARIANTS[seed % len(VARIANTS)], table)
    at, visits = machine.start(), Counter[str]()
    run: list[Micro] = []
    for _ in range(length):
        found = [machine.take(at, move) for move in machine.moves(at) if move.event not in _ENDING]
        steps = {str(step.taken[0]) if step.taken else "": step for step in chosen.sample(found, len(found))}
        weights = [1 / (1 + visits[edge] + visits[step.after.state]) ** 2 for edge, step in steps.items()]
        move = chosen.choices(list(steps.values()), weights)[0].move
        table.micros.clear()
        step = machine.take(at, move)
        visits.update(map(str, step.taken) if step.taken else [""])
        visits[step.after.state] += 1
        at = step.after
        if table.micros:
            table.micros[-1].after = at.state
        run += table.micros
    table.micros.clear()
    at = machine.take(at, next(move for move in machine.moves(at) if move.event == "session_ended")).after
    table.micros[-1].after = at.state
    return run + table.micros


class _Unasked:
    """The answer of a guard that must not be asked; the library would swallow an error, so it is noted."""

    def __init__(self, name: str, asked: list[str]) -> None:
        self._name = name
        self._asked = asked

    def __bool__(self) -> bool:
        self._asked.append(self._name)
        return False

    def __eq__(self, other: object) -> bool:
        return bool(self)

    __hash__ = None  # type: ignore[assignment]  # it is only ever compared


def follow_scxml(document: str, run: Sequence[Micro], guards: Sequence[str]) -> list[str]:
    """Return the states in which python-statemachine is after each event, having read the chart from SCXML.

    Raises:
        AssertionError: It asked a guard that was not to be asked.
    """
    states: list[str] = []
    with contextlib.redirect_stdout(io.StringIO()):  # its <log> prints
        machine = load(document, format="scxml")()
        for micro in run:
            asked: list[str] = []
            for name in guards:
                setattr(machine.model, name, micro.held.get(name, _Unasked(name, asked)))
            machine.send(micro.event)
            states.append(max(map(str, machine.configuration_values), key=len))
            assert not asked, f"{asked} asked on {micro.event}, and should not have been"
    return states


def follow_xstate(document: str, runs: Sequence[Sequence[Micro]], folder: Path) -> list[list[str]]:
    """Return the states in which XState is after each event of each run; `folder` is where it is installed.

    Raises:
        AssertionError: It could not follow.
    """
    node = shutil.which("node")
    assert node is not None
    told = [[{"event": micro.event, "held": micro.held} for micro in run] for run in runs]
    done = subprocess.run(
        [node, str(_DRIVER)], input=json.dumps({"machine": json.loads(document), "runs": told}).encode(),
        capture_output=True, check=False, timeout=90, env={"NODE_PATH": str(folder / "node_modules")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()[-600:]
    found: list[list[str]] = json.loads(done.stdout)
    return found
