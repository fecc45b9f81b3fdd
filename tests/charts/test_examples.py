"""The chart does what was approved: `examples.jsonl` holds the shortest conversation through each of its edges.

After an intended change: `./run verify --write-examples tests/charts/examples.jsonl`, and look at the difference.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from app.verification.examples import differences, read_examples
from statecharts.possibilities import ConversationMachine

APPROVED = read_examples(Path(__file__).with_name("examples.jsonl"))


def test_every_example_ends_as_it_was_approved() -> None:
    told = differences(APPROVED)
    assert not told, f"{len(told)} of {len(APPROVED)} end differently:\n" + "\n".join(told)


def test_every_edge_has_an_example() -> None:
    shown = {example.shows for example in APPROVED if not example.kept_by}
    assert shown == {str(edge) for edge in ConversationMachine().edges()}


def test_every_guard_turns_something_away() -> None:
    shown = {(example.shows, example.kept_by) for example in APPROVED}
    missing = [
        f"[{guard}] of {edge}"
        for edge in ConversationMachine().edges()
        if edge.trigger != "committed"  # raised by an action alone: `test_speculation.py` has both of its guards
        for guard in edge.guards
        if (str(edge), str(guard)) not in shown
    ]
    assert not missing, "a guard that never decides anything: " + "; ".join(missing)


def test_a_different_ending_is_noticed() -> None:
    example = msgspec.structs.replace(APPROVED[-1], states=[*APPROVED[-1].states[:-1], "IDLE.new"])
    assert len(differences([example])) == 1


def test_rules_that_are_no_more_are_told() -> None:
    [told] = differences([msgspec.structs.replace(APPROVED[0], rules="some that once were")])
    assert "some that once were" in told
