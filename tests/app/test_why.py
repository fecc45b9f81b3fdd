"""Why a call is silent, or why it stopped."""

from __future__ import annotations

import msgspec
import pytest

from app.replay.call_log import BadLog
from app.replay.silence import Why, why
from statecharts.events import (
    Connected,
    Disconnected,
    IntentDetected,
    MicMuted,
    PlaybackDone,
    SpeechStarted,
    SpeechStopped,
    SttFinal,
    SttPartial,
    TtsChunkReady,
)
from statecharts.phrases import Phrases
from statecharts.policy import Policy
from tests.app.led_call import LedCall, plain

UNTOLD = Policy(), Phrases()


def told(call: LedCall, *, at: float | None = None, now: float | None = None) -> Why:
    return why(call.log, UNTOLD, at=at, now=now)


def test_it_says_where_the_call_stands_since_when_and_what_comes_next() -> None:
    found = told(LedCall().take(Connected()).take(SpeechStarted(), after_s=0.5))
    assert (found.state, found.since_s, found.turn) == ("LISTENING.hearing", 0.5, 0)
    assert found.verdict.startswith("The caller speaks, since 0.500 s, when vad.speech_started took LISTENING.quiet")
    assert found.last_accepted is not None
    assert found.last_accepted.edges == ["LISTENING.quiet → LISTENING.hearing: speech_started"]
    (timer,) = found.timers
    assert (timer.name, timer.due_s, timer.in_s) == ("hearing_max", 25.5, 25.0)
    assert timer.then.startswith("LISTENING.hearing → ")


def test_what_was_asked_for_and_has_not_come_is_named() -> None:
    call = LedCall().take(Connected()).ask("how old is the bridge")
    assert [awaited.split(" (")[0] for awaited in told(call).waiting_for] == [
        "the intent of 'how old is the bridge'",
        "the answer to 'how old is the bridge'",
    ]
    call.take(IntentDetected(intent="question", turn=1, request_id=call.intent.request_id))
    assert len(told(call).waiting_for) == 1
    assert "It waits for the answer" in told(call).verdict


def test_a_sentence_without_audio_is_awaited_from_the_voice() -> None:
    call = LedCall().take(Connected()).ask()
    call.take(IntentDetected(intent="greeting", turn=1, request_id=call.intent.request_id))
    (awaited,) = told(call).waiting_for
    assert awaited.startswith("the voice for 'Hello.")


def test_the_sound_of_a_guess_is_awaited_only_once_it_is_committed() -> None:
    call = LedCall().take(Connected()).ask("how old is the bridge", pause_s=0.0)
    call.find("It opened in 1883.")
    found = told(call)
    assert (found.state, found.waiting_for) == ("LISTENING.settling", [])
    (awaited,) = told(call.take(after_s=0.3)).waiting_for
    assert awaited.startswith("the voice for 'It opened in 1883.'")


def test_a_dropped_fact_is_told_with_the_guard_that_said_no_and_what_it_looked_at() -> None:
    call = LedCall(Policy(interruptible=False)).take(Connected()).ask().answer("It opened in 1883.")
    call.take(SttPartial(text="stop it"), after_s=0.2)
    call.take(SpeechStopped(silence_s=0.16))
    (dropped, other) = told(call).dropped
    assert dropped.event == 'stt.partial text="stop it"'
    assert dropped.reason == "nothing to do about stt_partial in SPEAKING.draining"
    assert dropped.tried == []
    (tried,) = other.tried
    (verdict,) = tried.verdicts
    assert (verdict.guard, verdict.value, verdict.expected) == ("voice_on", False, True)
    assert verdict.looked_at == {"voice_on": False}
    assert verdict.means == "The detector hears the caller now"


def test_the_values_inside_of_what_is_remembered_and_of_the_policy_are_shown() -> None:
    call = LedCall(Policy(interruptible=False)).take(Connected()).ask().answer("It opened in 1883.")
    call.take(SttFinal(text="stop it"), after_s=0.2)
    (dropped,) = told(call).dropped
    looked_at = dropped.tried[0].verdicts[0].looked_at
    assert looked_at["policy.interruptible"] is False
    call.take(PlaybackDone(turn=1, kind="filler"))
    tried = told(call).dropped[-1].tried
    assert {"speech.kind": "answer"}.items() <= {
        k: v for t in tried for k, v in t.verdicts[-1].looked_at.items()
    }.items()


def test_a_stale_fact_is_told_with_its_reason_alone() -> None:
    call = plain().take(TtsChunkReady(turn=7, audio_ms=200))
    (dropped,) = told(call).dropped
    assert dropped.reason == "turn 7 is not the current turn, 1"
    assert dropped.tried == []


def test_many_drops_are_counted_and_the_latest_shown() -> None:
    call = plain()
    for turn in range(10, 20):
        call.take(TtsChunkReady(turn=turn))
    found = told(call)
    assert found.dropped_in_all == 10
    assert [dropped.event.split()[2] for dropped in found.dropped] == ["15", "16", "17", "18", "19"]


def test_what_stopped_our_voice_is_told() -> None:
    call = LedCall().take(Connected()).ask().answer("Once there was a fox.", audio_s=5.0)
    assert told(call).voice_ended is None
    call.take(SpeechStarted(), after_s=1.0).take(after_s=0.5)
    paused = told(call).voice_ended
    assert paused is not None
    assert (paused.how, paused.event) == ("paused", 'timer.fired name="barge_in_speech"')
    call.take(SttPartial(text="no wait"))
    stopped = told(call).voice_ended
    assert stopped is not None
    assert (stopped.how, stopped.event) == ("the caller speaks", 'stt.partial text="no wait"')
    played = told(plain()).voice_ended
    assert played is not None
    assert played.how == "played to its end"


def test_the_moment_may_be_seconds_of_the_call_or_unix_seconds() -> None:
    log = plain().log
    early = why(log, UNTOLD, at=1.0)
    assert (early.state, early.at_s) == ("LISTENING.hearing", 1.0)
    assert early.next_in_log[0].startswith("1.500 s  vad.speech_stopped")
    assert why(log, UNTOLD, at=log.started_at + 1.0) == early
    with pytest.raises(BadLog, match="nothing had happened yet"):
        why(log, UNTOLD, at=log.started_at - 1.0)


def test_a_client_that_is_gone_is_said_and_what_stands_still() -> None:
    call = LedCall().take(Connected()).ask().answer("It opened in 1883.").take(Disconnected(), after_s=0.2)
    found = told(call)
    assert "The client is gone and is waited for" in found.verdict
    assert [timer.name for timer in found.timers] == ["resume_wait"]
    assert "playback_deadline" in found.standing_still


def test_a_timer_that_is_overdue_points_at_the_orchestrator() -> None:
    call = plain()
    found = told(call, now=call.now + 100.0)
    assert found.timers[0].in_s == pytest.approx(-40.0, abs=0.01)
    assert "Timer away should have fired 40.0 s ago: is an orchestrator running" in found.verdict


def test_facts_that_nobody_folded_are_said() -> None:
    call = plain()
    call.take(MicMuted(), after_s=0.1)
    log = call.log
    waiting = msgspec.structs.replace(log.facts[-1], outcome=None)
    found = why(msgspec.structs.replace(log, facts=[*log.facts[:-1], waiting]), UNTOLD)
    assert found.not_folded == 1
    assert "1 facts in the log are not folded yet" in found.verdict
