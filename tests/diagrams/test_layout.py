"""The full drawing of any chart: nothing covers anything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagrams.coverage import Coverage
from diagrams.extract import conversation_model
from diagrams.labels import edge_block
from diagrams.layout import lay_out
from diagrams.lettering import Line, Run, broken, width_of
from diagrams.load import model_of
from diagrams.model import ChartModel
from diagrams.overlay import PLAIN, Overlay
from diagrams.overview import collapsed
from diagrams.render import draw
from tests.diagrams.charts import blemishes, random_chart

DOOR_LOCK = "examples.door_lock:DoorLock"


def _models() -> dict[str, ChartModel]:
    conversation, door_lock = conversation_model(), model_of(DOOR_LOCK)
    return {"conversation": conversation, "door lock": door_lock, "its overview": collapsed(door_lock)}


@pytest.mark.parametrize("name", ["conversation", "door lock", "its overview"])
@pytest.mark.parametrize("covered", [False, True])
def test_nothing_covers_anything_else(name: str, covered: bool) -> None:
    model = _models()[name]
    overlay: Overlay = PLAIN
    if covered:
        taken = {str(edge): 10**number % 9973 for number, edge in enumerate(model.edges) if number % 3}
        overlay = Coverage(model=model, taken=taken, source="a test").overlay()
    assert list(blemishes(lay_out(model, overlay))) == []


@given(st.integers(0, 10_000))
def test_nothing_covers_anything_else_in_any_chart(seed: int) -> None:
    assert list(blemishes(lay_out(random_chart(seed)))) == []


def test_every_edge_that_changes_the_state_is_drawn_and_no_other() -> None:
    for seed in range(40):
        model = random_chart(seed)
        drawn = [str(edge) for route in lay_out(model).routes for edge in route.wire.edges]
        assert sorted(drawn) == sorted(str(edge) for edge in model.edges if edge.target is not None)


def test_what_every_state_has_is_drawn_once() -> None:
    shared = [route for route in lay_out(conversation_model()).routes if route.wire.shared]
    assert len(shared) == 1
    assert len(shared[0].wire.edges) >= 5


def test_a_random_chart_can_be_drawn() -> None:
    for seed in range(4):
        assert draw(random_chart(seed), "svg").startswith(b"<svg")


def test_a_label_says_events_guards_seconds_and_effects() -> None:
    model = conversation_model()
    edge = next(edge for edge in model.edges if edge.trigger == "resumed" and "interrupt_max" in edge.events)
    said = ["".join(run.text for run in line.runs) for line in edge_block(model, [edge], 1000.0).lines]
    assert said == ["resumed: false_interruption 1 s, interrupt_max 10 s [all_sent]", "/ Playout resume"]


def test_timers_have_their_sign_and_the_gap_for_it() -> None:
    model = conversation_model()
    edge = next(edge for edge in model.edges if edge.trigger == "away")
    line = edge_block(model, [edge], 1000.0).lines[0]
    assert len(line.clocks()) == 1
    assert line.width > width_of("away 60 s", line.size, bold=True)


@given(st.lists(st.text("ab_", min_size=1, max_size=9), min_size=1, max_size=12), st.floats(40, 300))
def test_lines_are_broken_between_words_and_lose_none(words: list[str], width: float) -> None:
    runs = [Run(words[0]), *(Run(f" {word}", "guard" if number % 2 else "ink") for number, word in enumerate(words))]
    lines = broken(runs, 10.0, width)
    kept = " ".join("".join(run.text for run in line.runs).strip() for line in lines)
    assert kept.split() == [words[0], *words]
    for line in lines:
        assert line.width <= width + 0.01 or len("".join(run.text for run in line.runs).split()) == 1


def test_widths_are_those_of_helvetica() -> None:
    assert width_of("stt_final", 14.0, bold=True) == pytest.approx(53.68, abs=0.01)
    assert Line((Run("away", clock=True),), 10.0).width == pytest.approx(width_of("    away", 10.0))
