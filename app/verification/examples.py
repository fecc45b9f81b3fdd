"""The chart by example: for each edge the shortest conversation that takes it, for each guard one that it turns away.

Written down once (`./run verify --write-examples`), read by whoever reviews a change, and run again by the tests: what
an edge does, to the letter, is then something that was looked at and approved.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from statecharts.effects import Drop, Effect
from statecharts.events import EVENT_TYPES, Event
from statecharts.exploration import explore
from statecharts.machine import Move, Step
from statecharts.possibilities import VARIANTS, ConversationMachine, as_move
from statecharts.proving import retrace
from statecharts.stepping import RunningChart, Snapshot

__all__ = ["Example", "differences", "examples", "read_examples", "write_examples"]


class Example(Struct, frozen=True, omit_defaults=True):
    """One short conversation, and what its last event did."""

    shows: str
    """The edge that the last event takes, or is kept from taking."""
    rules: str
    """The name of the variant."""
    events: list[dict[str, object]]
    states: list[str]
    """The state after each event."""
    effects: list[Effect]
    """What the last event asked for."""
    memory: dict[str, object]
    """What is remembered after it."""
    kept_by: str = ""
    """The one guard that says no, if this shows a guard."""


def examples() -> list[Example]:
    """Return the shortest example of each edge, and of each guard that can be the only one to say no."""
    found: dict[tuple[str, str], Example] = {}
    for variant in VARIANTS:
        machine = ConversationMachine(variant)
        ways: dict[tuple[str, str], tuple[int, Move]] = {}

        def watch(step: Step[Snapshot], number: int, machine: ConversationMachine = machine) -> bool:
            shown = [*((str(edge), "") for edge in step.taken), *_turned_away(machine, step)]
            for key in shown:
                if key not in found and key not in ways:  # noqa: B023 - called before the next variant is walked
                    ways[key] = number, step.move  # noqa: B023
            return True

        explored = explore(machine, watch)
        for key, (number, move) in ways.items():
            found[key] = _example(machine, key, [*explored.way_to(number), move])
    order = [str(edge) for edge in ConversationMachine().edges()]
    return [found[key] for key in sorted(found, key=lambda key: (order.index(key[0]), key[1]))]


def differences(approved: list[Example]) -> list[str]:
    """Run each example again; return, for each that ends differently now, what is different."""
    told, variants = [], {variant.name: variant for variant in VARIANTS}
    for example in approved:
        if example.rules not in variants:
            told.append(f"{example.shows} ({example.rules})\n  there are no such rules any more")
            continue
        machine = ConversationMachine(variants[example.rules])
        now = _example(machine, (example.shows, example.kept_by), _moves(machine, example))
        for name in ("states", "effects", "memory"):
            then, here = getattr(example, name), getattr(now, name)
            if msgspec.json.encode(then) != msgspec.json.encode(here):
                what = f"{example.shows}{f', kept by [{example.kept_by}]' if example.kept_by else ''}"
                told.append(f"{what} ({example.rules})\n  {name} approved: {then}\n  {name} now:      {here}")
                break
    return told


def read_examples(path: Path) -> list[Example]:
    """Return the examples in a file, one a line."""
    return [msgspec.json.decode(line, type=Example) for line in path.read_bytes().splitlines()]


def write_examples(path: Path, found: list[Example]) -> None:
    """Write examples into a file, one a line, whole or not at all."""
    part = path.with_suffix(".part")
    part.write_bytes(b"".join(msgspec.json.encode(example) + b"\n" for example in found))
    part.replace(path)


def _turned_away(machine: ConversationMachine, step: Step[Snapshot]) -> Iterator[tuple[str, str]]:
    """Yield each edge that this event would have taken but for one guard, and that guard."""
    stale = not step.taken and not any(
        isinstance(effect, Drop) and effect.reason.startswith("nothing to do") for effect in step.effects
    )
    rows = machine.table.candidates(step.before.state, step.move.event)
    if stale or not any(row.guards for row in rows):
        return
    chart = RunningChart(machine.variant.policy, machine.variant.phrases, step.before, machine.table)
    assert isinstance(step.move.fact, Event)
    chart.context.now = max(chart.context.now, step.move.fact.timestamp)
    for row in rows:
        no = [
            guard
            for guard, (call, expected) in zip(row.edge.guards, row.guards, strict=True)
            if bool(call(chart.parts, chart, step.move.fact)) != expected
        ]
        if len(no) == 1:
            yield str(row.edge), str(no[0])
        if not no:
            return


def _example(machine: ConversationMachine, key: tuple[str, str], moves: list[Move]) -> Example:
    steps = retrace(machine, moves)
    last = steps[-1]
    return Example(
        shows=key[0], kept_by=key[1], rules=machine.variant.name,
        events=[_written(step.move) for step in steps], states=[step.after.state for step in steps],
        effects=list(last.effects), memory=msgspec.to_builtins(last.after.context),  # type: ignore[arg-type]
    )  # fmt: skip


def _written(move: Move) -> dict[str, object]:
    assert isinstance(move.fact, Event)
    fields = msgspec.structs.asdict(move.fact)
    defaults = {field.name: field.default for field in msgspec.structs.fields(type(move.fact))}
    kept = {name: value for name, value in fields.items() if value != defaults[name]}
    return {"event": move.fact.event_type, **kept}


def _moves(machine: ConversationMachine, example: Example) -> list[Move]:
    moves, now = [], machine.start().context.now
    for written in example.events:
        fields = {name: value for name, value in written.items() if name != "event"}
        event = msgspec.convert(fields, EVENT_TYPES[str(written["event"])])
        moves.append(as_move(event, now))
        now = event.timestamp
    return moves
