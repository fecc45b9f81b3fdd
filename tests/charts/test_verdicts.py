"""What is told of guards is what the chart did."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.verification.walks import conversation_run
from statecharts.effects import Drop
from statecharts.events import Connected, Event, PlaybackDone, SpeechStarted, SttPartial
from statecharts.machine import Step
from statecharts.phrases import Phrases
from statecharts.policy import Policy
from statecharts.possibilities import VARIANTS, ConversationMachine, Variant
from statecharts.stepping import RunningChart, Snapshot
from statecharts.verdicts import judged

WALKS = st.one_of(
    *(st.tuples(st.just(variant), conversation_run(ConversationMachine(variant))) for variant in VARIANTS)
)


@given(WALKS)
def test_the_edge_that_is_told_is_the_one_that_is_taken(walk: tuple[Variant, list[Step[Snapshot]]]) -> None:
    variant, steps = walk
    for step in steps:
        assert isinstance(step.move.fact, Event)
        tried = judged(step.before, step.move.fact, variant.policy, variant.phrases)
        if step.taken:
            assert tried[-1].taken
            assert tried[-1].edge == str(step.taken[0])
        elif isinstance(first := step.effects[0], Drop) and first.reason.startswith("nothing to do"):
            assert not any(edge.taken for edge in tried)
        assert all(verdict.agrees for edge in tried for verdict in edge.verdicts[:-1])


def test_a_guard_tells_what_it_asked_and_what_it_looked_at() -> None:
    chart = RunningChart(Policy(barge_in_min_words=3))
    for event in (Connected(timestamp=1.0), SpeechStarted(timestamp=2.0)):
        chart.step(event)
    at = Snapshot("INTERRUPT.ducked", chart.context)
    said = SttPartial(text="but what", timestamp=3.0)
    tried = judged(at, said, Policy(barge_in_min_words=3), Phrases())
    verdict = tried[0].verdicts[0]
    assert (verdict.guard, verdict.value, verdict.expected) == ("interrupting_words", False, True)
    assert not verdict.agrees
    assert verdict.looked_at["policy.barge_in_min_words"] == 3
    assert verdict.looked_at["overlap_text"] == ""
    assert "voice_on" not in verdict.looked_at
    assert verdict.means.startswith("Words over our answer")
    assert tried[-1].taken
    assert at.context.now == 2.0


def test_an_event_that_no_edge_is_about_is_tried_on_none() -> None:
    assert judged(RunningChart().snapshot(), PlaybackDone(turn=1), Policy(), Phrases())[0].verdicts
    assert judged(RunningChart().snapshot(), SttPartial(text="hello"), Policy(), Phrases()) == []
