"""The conversation keeps its properties, whatever happens, under every set of rules."""

from __future__ import annotations

import pytest

from app.verification.report import Part
from app.verification.verifying import verify_variant
from statecharts.exploration import Exploration
from statecharts.possibilities import VARIANTS, ConversationMachine
from statecharts.proving import Finding
from statecharts.soundness import ACROSS
from statecharts.stepping import Snapshot

pytestmark = pytest.mark.timeout(300)
WALKS = 60


@pytest.fixture(scope="module")
def parts() -> list[Part]:
    return [verify_variant(number, walks=WALKS) for number in range(len(VARIANTS))]


@pytest.mark.parametrize("number", range(len(VARIANTS)), ids=[variant.name for variant in VARIANTS])
def test_every_property_holds_in_every_situation(parts: list[Part], number: int) -> None:
    part = parts[number]
    shown = [
        "\n".join(
            [f"{failure.sentence} {failure.complaint}", *(f"  {step.before} {step.event}" for step in failure.run)]
        )
        for failure in part.failures
    ]
    assert not shown, "\n".join(shown)
    assert part.situations > 1000
    assert part.walk_steps > 10 * WALKS


def test_between_them_the_rules_reach_every_state_and_take_every_edge(parts: list[Part]) -> None:
    merged: Exploration[Snapshot] = Exploration()
    for part in parts:
        merged.taken.update(part.taken)
        merged.outcomes |= part.outcomes
    findings: list[Finding] = [finding for claim in ACROSS for finding in claim.check(merged, ConversationMachine())]
    assert not findings


def test_each_pair_of_a_state_and_an_event_is_taken_or_dropped_with_a_reason(parts: list[Part]) -> None:
    outcomes: dict[tuple[str, str], str] = {}
    for part in parts:
        outcomes |= part.outcomes
    events = {event for _, event in outcomes}
    assert set(outcomes) == {(state, event) for state in ConversationMachine().leaves() for event in events}
    assert all(outcomes.values())
