"""A recorded call under another policy: what differs is what the policy changes, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.replay.call_log import BadLog
from app.replay.what_if import BadPolicy, WhatIf, changed_policy, what_if
from statecharts.events import (
    Connected,
    Disconnected,
    IntentDetected,
    PlaybackDone,
    RagAnswerReady,
    SessionEnded,
    SpeechStarted,
    SpeechStopped,
    SttFinal,
    SttPartial,
    TtsChunkReady,
    TtsDone,
)
from statecharts.phrases import Phrases
from statecharts.policy import Policy
from statecharts.possibilities import SAID
from tests.app.led_call import LedCall, plain

FIXED = Policy(adaptive_end_of_turn=False, speculation="off")
"""Always the same patience, and nothing made ahead: simple to reckon with."""
PATIENT = msgspec.structs.replace(FIXED, end_of_turn_s=0.9)


def replayed(call: LedCall, *settings: str) -> WhatIf:
    return what_if(call.log, changed_policy(settings), (Policy(), Phrases()))


def states(found: WhatIf) -> list[str]:
    return [name for _, name in found.replayed.states]


def with_a_pause(policy: Policy = FIXED, *, second: str = "the bridge", quiet_s: float = 1.2) -> LedCall:
    """A caller who pauses in the middle of a question; the recogniser gives `second` after the pause."""
    call = LedCall(policy).take(Connected())
    call.take(SpeechStarted(), after_s=0.5)
    call.take(SpeechStopped(silence_s=0.16), after_s=0.6)
    call.take(SttFinal(text="how old is"), after_s=0.1)
    call.take(SpeechStarted(), after_s=0.34)
    call.take(SttPartial(text=second), after_s=0.3)
    call.take(SpeechStopped(silence_s=0.16), after_s=0.3)
    call.take(SttFinal(text=second), after_s=0.1)
    return call.take(after_s=quiet_s)


def stopped_by_the_caller(policy: Policy = FIXED) -> LedCall:
    """An answer of 5 s that a second question stops after some 2 s; that one is answered, and the caller hangs up."""
    call = LedCall(policy).take(Connected()).ask()
    call.answer("Once upon a time there was a fox in the wood.", audio_s=5.0)
    call.take(SpeechStarted(), after_s=1.9)
    call.take(SttPartial(text="what fox"), after_s=0.3)
    call.take(PlaybackDone(turn=1, played_s=2.2), after_s=0.02)
    call.take(SpeechStopped(silence_s=0.16), after_s=0.5)
    call.take(SttFinal(text="what fox"), after_s=0.1).take(after_s=0.3)
    return call.answer("A red one.").hear(2.0).take(SessionEnded(reason="hangup"), after_s=0.4)


NUMBERS = [name for name in Policy.__struct_fields__ if isinstance(getattr(Policy(), name), float)]
CALLS: dict[str, Callable[[], LedCall]] = {
    "plain": plain,
    "plain, nothing made ahead": lambda: plain(FIXED),
    "with a pause": with_a_pause,
    "stopped by the caller": stopped_by_the_caller,
    "stopped by the caller, made ahead": lambda: stopped_by_the_caller(Policy()),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("setting", ["end_of_turn_s=0.4", "interruptible=true", "away_s=61", "interrupt_max_s=9"])
def test_a_policy_that_changes_nothing_in_a_call_changes_nothing(name: str, setting: str) -> None:
    found = replayed(CALLS[name](), setting)
    assert found.departs_at_s is None
    assert found.replayed == found.recorded
    assert found.assumptions == []


def test_more_patience_makes_the_caller_wait_longer_and_the_answer_follows_it() -> None:
    found = replayed(plain(FIXED), "end_of_turn_s=0.9")
    (then,), (now,) = found.recorded.turns, found.replayed.turns
    assert found.departs_because == "timer end_of_turn fired then, and does not now"
    assert now.waited_s - then.waited_s == pytest.approx(0.5, abs=0.01)
    assert then.first_audio_s is not None
    assert now.first_audio_s is not None
    assert now.first_audio_s - then.first_audio_s == pytest.approx(0.5, abs=0.02)
    assert (now.outcome, now.heard_text) == ("answered", "It opened in 1883.")
    assert found.assumptions == []


def test_more_patience_spares_a_caller_who_pauses_the_cut_off() -> None:
    found = replayed(with_a_pause(), "end_of_turn_s=0.9")
    assert (found.recorded.cut_offs, found.replayed.cut_offs) == (1, 0)
    assert [turn.user_text for turn in found.recorded.turns] == ["how old is", "how old is the bridge"]
    assert [turn.user_text for turn in found.replayed.turns] == ["how old is the bridge"]


def test_less_patience_cuts_the_caller_off_and_no_word_is_there_twice() -> None:
    patient = with_a_pause(PATIENT, second="how old is the bridge")
    found = replayed(patient, "end_of_turn_s=0.4")
    assert (found.recorded.cut_offs, found.replayed.cut_offs) == (0, 1)
    assert [turn.user_text for turn in found.replayed.turns] == ["how old is", "how old is the bridge"]


def test_a_caller_who_waited_for_the_answer_waits_for_it_again() -> None:
    call = plain(FIXED).take(SpeechStarted(), after_s=1.0).take(SpeechStopped(silence_s=0.16), after_s=1.0)
    call.take(SttFinal(text="thank you"), after_s=0.1).take(after_s=0.3)
    found = replayed(call, "end_of_turn_s=1.9")
    assert found.replayed.turns[0].outcome == "answered"
    assert found.replayed.turns[1].began_s - found.recorded.turns[1].began_s == pytest.approx(3.0, abs=0.02)
    assert found.replayed.interrupted == 0


def test_an_answer_that_is_not_stopped_is_heard_to_its_end_and_its_unspoken_rest_is_estimated() -> None:
    found = replayed(stopped_by_the_caller(), "interruptible=false")
    assert (found.recorded.interrupted, found.replayed.interrupted) == (1, 0)
    assert found.replayed.turns[0].outcome == "answered"
    assert "INTERRUPT" not in states(found)


def test_what_was_never_spoken_is_as_long_as_its_letters() -> None:
    call = LedCall(FIXED).take(Connected()).ask()
    call.take(IntentDetected(intent="question", turn=1, request_id="1.intent"))
    call.take(RagAnswerReady(text="Some forty letters, which take a while.", is_final=True, turn=1, source="a.md"))
    call.take(TtsChunkReady(turn=1, audio_ms=200, request_id="1.answer.1"), after_s=0.1)
    call.take(SpeechStarted(), after_s=0.2).take(SttPartial(text="stop"), after_s=0.2)
    call.take(PlaybackDone(turn=1, played_s=0.2), after_s=0.1).take(after_s=5.0)
    found = replayed(call, "interruptible=false")
    assert found.assumptions == [
        "2.3 s of 'Some forty letters, which take a while.' were not spoken then: their length is estimated"
    ]
    (speaking, listening) = found.replayed.states[-2:]
    assert (speaking[1], listening[1]) == ("SPEAKING", "LISTENING")
    assert listening[0] - speaking[0] == pytest.approx(2.5, abs=0.2)


def test_a_question_that_nobody_asked_is_answered_by_what_was_and_that_is_said() -> None:
    patient = with_a_pause(
        PATIENT,
        second="how old is the bridge",
        quiet_s=0.7,
    )
    patient.answer("It opened in 1883.").hear(2.0)
    found = replayed(patient, "end_of_turn_s=0.4")
    assert found.assumptions == [
        "nobody had 'how old is' answered then: what came for 'how old is the bridge' stands in"
    ]
    assert [turn.outcome for turn in found.replayed.turns] == ["cut off", "answered"]


def test_a_resume_that_comes_sooner_lets_the_held_voice_go_on_sooner() -> None:
    call = LedCall(FIXED).take(Connected()).ask().answer("Once upon a time there was a fox.", audio_s=4.0)
    call.take(SpeechStarted(), after_s=1.0).take(SpeechStopped(silence_s=0.16), after_s=0.6)
    call.take(after_s=1.6).hear(3.0)
    found = replayed(call, "false_interruption_s=0.5")
    assert found.recorded.resumed == found.replayed.resumed == 1
    over = [at_s for course in (found.recorded, found.replayed) for at_s, name in course.states if name == "LISTENING"]
    assert over[3] < over[1]
    assert found.replayed.turns[0].heard_text == "Once upon a time there was a fox."


def test_a_client_that_comes_back_too_late_for_the_new_policy_finds_the_session_ended() -> None:
    call = LedCall(FIXED).take(Connected()).ask().answer("It opened in 1883.").take(Disconnected(), after_s=0.3)
    call.take(Connected(), after_s=5.0).hear(2.0)
    found = replayed(call, "resume_s=2")
    assert states(found) == ["LISTENING", "THINKING", "SPEAKING", "IDLE", "LISTENING"]


def made_ahead(policy: Policy) -> LedCall:
    """A call whose answer is known before the end of the turn, and spoken as soon as may be."""
    call = LedCall(policy).take(Connected()).ask("how old is the bridge", pause_s=0.0)
    if policy.speculation == "off":
        return call.take(after_s=0.15).answer("It opened in 1883.").hear(2.0)
    return call.find("It opened in 1883.").take(after_s=0.14).voice(2.0).hear(2.0)


@pytest.mark.parametrize(("recorded", "replayed_with"), [("voice", "off"), ("off", "voice")])
def test_what_was_made_ahead_is_heard_sooner_by_the_time_that_the_end_of_the_turn_took(
    recorded: Literal["voice", "off"], replayed_with: str
) -> None:
    call = made_ahead(Policy(adaptive_end_of_turn=False, speculation=recorded))
    found = replayed(call, f"speculation={replayed_with}")
    (then,), (now,) = found.recorded.turns, found.replayed.turns
    ahead, behind = (then, now) if recorded == "voice" else (now, then)
    assert ahead.first_audio_s is not None
    assert behind.first_audio_s is not None
    assert ahead.waited_s == pytest.approx(behind.waited_s, abs=0.01)
    assert 0.05 < behind.first_audio_s - ahead.first_audio_s < 0.2
    assert now.heard_text == then.heard_text == "It opened in 1883."


def test_a_client_that_never_reports_does_not_report_in_the_replay() -> None:
    call = LedCall(FIXED).take(Connected()).ask()
    call.take(IntentDetected(intent="question", turn=1, request_id="1.intent"))
    call.take(RagAnswerReady(text="It opened.", is_final=True, turn=1, source="a.md", request_id="1.answer"))
    call.take(TtsChunkReady(turn=1, audio_ms=1000, request_id="1.answer.1"), after_s=0.1)
    call.take(TtsDone(turn=1, request_id="1.answer.1")).take(after_s=3.0)
    found = replayed(call, "end_of_turn_s=0.6")
    began, over = found.replayed.states[-2:]
    assert over[0] - began[0] == pytest.approx(1.0 + Policy().playout_margin_s, abs=0.01)


def test_a_shorter_deadline_brings_the_apology_and_the_late_answer_is_dropped() -> None:
    call = LedCall(FIXED).take(Connected()).ask().take(after_s=1.0).answer("It opened in 1883.").hear(2.0)
    found = replayed(call, "answer_deadline_s=0.5")
    assert found.departs_because == "timer answer_deadline fires now, and did not then"
    assert found.replayed.turns[0].heard_text in SAID.apology


SETTINGS = st.one_of(
    st.tuples(
        st.sampled_from(NUMBERS),
        st.sampled_from([0.0, 0.05, 0.3, 1.0, 5.0, 100.0]),
    ),
    st.tuples(st.sampled_from(["interruptible", "pausable"]), st.booleans()),
    st.tuples(st.just("barge_in_min_words"), st.integers(0, 4)),
)


@given(st.sampled_from(sorted(CALLS)), st.lists(SETTINGS, min_size=1, max_size=3))
def test_under_any_policy_a_call_comes_to_an_end_and_every_turn_of_it_is_told(
    name: str, settings: list[tuple[str, object]]
) -> None:
    found = what_if(CALLS[name]().log, dict(settings), (Policy(), Phrases()))
    assert found.replayed.ended_s < 120.0
    assert [turn.turn for turn in found.replayed.turns] == sorted({turn.turn for turn in found.replayed.turns})
    assert found.replayed.states[0][1] == "LISTENING"
    assert (found.departs_at_s is None) <= (found.replayed == found.recorded)


def test_what_the_ear_alone_reads_is_said_to_change_nothing_here() -> None:
    assert "settle_s steers the ear, which is not replayed" in replayed(plain(FIXED), "settle_s=0.3").assumptions


def test_a_call_under_several_policies_is_refused() -> None:
    log = plain().log
    first, second = log.facts[:2]
    assert first.outcome is not None
    assert second.outcome is not None
    ruled = msgspec.structs.replace(second, outcome=msgspec.structs.replace(second.outcome, rules=first.outcome.rules))
    with pytest.raises(BadLog, match="2 policies"):
        what_if(
            msgspec.structs.replace(log, facts=[first, ruled, *log.facts[2:]]), {"away_s": 1.0}, (Policy(), Phrases())
        )


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("end_of_turn=0.9", "there is no 'end_of_turn'; there are settle_s, recognise_ahead_s, end_of_turn_s"),
        ("end_of_turn_s", "write name=value; names are"),
        ("end_of_turn_s=soon", "Expected `float`, got `str`; it is now 0.4"),
        ("interruptible=1", "Expected `bool`, got `int`; it is now true"),
        ("barge_in_min_words=1.5", "Expected `int`"),
        ("backchannels=yeah", "Expected `array`"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_what_can(setting: str, said: str) -> None:
    with pytest.raises(BadPolicy) as error:
        changed_policy([setting])
    assert said in str(error.value)


def test_settings_are_read_as_json() -> None:
    assert changed_policy(["end_of_turn_s=1", "interruptible=false", 'backchannels=["yes"]']) == {
        "end_of_turn_s": 1.0,
        "interruptible": False,
        "backchannels": ("yes",),
    }
