"""What is broken is found, by the shortest way, and told in words; tried on small charts that are broken on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from statemachine import State, StateChart

from app.verification.walks import any_run, walk
from statecharts.any_chart import ChartAt, ChartMachine
from statecharts.exploration import TooMany
from statecharts.machine import Move, Step
from statecharts.proving import Property, Run, along, always, prove
from statecharts.soundness import ACROSS, EACH


class Door(StateChart[Any]):
    """A door with a lock, which counts how often it was forced."""

    catch_errors_as_events = False
    locked = State(initial=True)
    closed = State()
    opened = State()
    jammed = State()
    unlock = locked.to(closed, cond="right")
    lock = closed.to(locked)
    push = closed.to(opened)
    pull = opened.to(closed)
    mend = jammed.to(closed, cond="never")
    force = locked.to(jammed, cond="strong") | locked.to(None, on="strain")

    def __init__(self) -> None:
        self.strains = 0
        super().__init__()

    def right(self, code: int = 0) -> bool:
        return code == 7

    def strong(self) -> bool:
        return self.strains >= 2

    def never(self) -> bool:
        return False

    def strain(self) -> str:
        self.strains += 1
        return "creak"


def moves(door: Door) -> Iterable[Move]:
    for event in ("lock", "push", "pull", "force", "mend"):
        yield Move(event)
    yield Move("unlock", {"code": 7})
    yield Move("unlock", {"code": 1})


@always
def never_opens_after_straining(step: Step[ChartAt]) -> bool:
    """A door that was forced never opens."""
    return not (step.after.state == "opened" and step.after.chart.strains)


@always
def is_fine(step: Step[ChartAt]) -> None:
    """All is well."""


@always
def raises(step: Step[ChartAt]) -> bool:
    """Everything is divisible."""
    return bool(1 / 0)


@along
def is_forced_at_most_once(run: Run[ChartAt]) -> str | None:
    """Nobody tries twice."""
    tries = sum(step.move.event == "force" for step in run.steps)
    return f"tried {tries} times" if tries > 1 else None


def _door() -> ChartMachine:
    return ChartMachine(Door, moves)  # type: ignore[arg-type]  # a Door is a StateChart


def test_a_broken_property_is_shown_by_the_shortest_run() -> None:
    proof = prove(_door(), [never_opens_after_straining, is_fine])
    assert [broken.name for broken in proof.broken] == ["never_opens_after_straining"]
    assert [step.move.event for step in proof.broken[0].run] == ["force", "unlock", "push"]
    assert proof.broken[0].sentence == "A door that was forced never opens."


def test_a_random_walk_is_shrunk_to_the_same_run() -> None:
    machine = _door()
    walked = walk(machine, any_run(machine), [never_opens_after_straining, is_forced_at_most_once], walks=60)
    runs = {broken.name: [step.move.event for step in broken.run] for broken in walked.broken}
    assert runs["never_opens_after_straining"] == ["force", "unlock", "push"]
    assert runs["is_forced_at_most_once"] == ["force", "force"]


def test_a_property_that_raises_is_broken_and_says_by_what() -> None:
    broken = prove(_door(), [raises]).broken[0]
    assert "raises ZeroDivisionError" in broken.complaint


def test_a_state_without_a_way_out_is_a_trap_unless_it_is_final() -> None:
    broken = prove(_door(), EACH).broken
    assert [(one.name, one.complaint) for one in broken] == [("there_is_no_trap", "nothing leads out of jammed")]
    assert [step.move.event for step in broken[0].run] == ["force", "force", "force"]


def test_edges_and_states_that_nothing_leads_to_are_named() -> None:
    class Cold(StateChart[Any]):
        here = State(initial=True)
        there = State()
        beyond = State()
        go = here.to(there, cond="never")
        on = there.to(beyond)
        back = here.to(None) | beyond.to(here)

        def never(self) -> bool:
            return False

    proof = prove(ChartMachine(Cold), ACROSS)
    complaints = " ".join(broken.complaint for broken in proof.broken)
    for part in ("to there", "to beyond", "here → there: go [never]", "there → beyond: on", "beyond → here: back"):
        assert part in complaints
    assert "here → here" not in complaints


def test_a_chart_without_end_is_refused_with_advice() -> None:
    class Counter(StateChart[Any]):
        only = State(initial=True)
        other = State()
        more = only.to(other) | other.to(only)

        def __init__(self) -> None:
            self.count = 0
            super().__init__()

        def on_more(self) -> None:
            self.count += 1

    with pytest.raises(TooMany, match="let `key` tell fewer"):
        prove(ChartMachine(Counter), [], limit=50)
    proof = prove(ChartMachine(Counter, key=lambda chart: min(vars(chart)["count"], 3)), [], limit=50)
    assert len(proof.exploration.found) == 5


def test_parallel_regions_are_walked_too() -> None:
    class Both(StateChart[Any]):
        class WORK(State.Parallel):
            class LEFT(State.Compound):
                l1 = State(initial=True)
                l2 = State()
                left_on = l1.to(l2)

            class RIGHT(State.Compound):
                r1 = State(initial=True)
                r2 = State()
                right_on = r1.to(r2)
                again = r2.to(r1)

    proof = prove(ChartMachine(Both), [*EACH, *ACROSS])
    assert not proof.broken
    assert {found.at.state for found in proof.exploration.found} == {
        f"WORK.LEFT.l{left}+WORK.RIGHT.r{right}" for left in (1, 2) for right in (1, 2)
    }


def test_a_property_without_a_sentence_is_refused() -> None:
    def silent(step: Step[ChartAt]) -> Iterator[bool]:
        yield True

    with pytest.raises(ValueError, match="needs a docstring"):
        always(silent)
    assert isinstance(is_fine, Property)


class Lamp(StateChart[Any]):
    off = State(initial=True)
    on = State()
    press = off.to(on) | on.to(off)


@always
def never_burns(step: Step[ChartAt]) -> bool:
    """The lamp never burns."""
    return step.after.state != "on"


def test_the_fixture_passes_a_sound_chart(verify_chart: Callable[..., None]) -> None:
    verify_chart(Lamp, is_fine)


def test_the_fixture_fails_with_the_shortest_run(verify_chart: Callable[..., None]) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"(?s)The lamp never burns.*1\. off +press +-> on"):
        verify_chart(Lamp, never_burns)
