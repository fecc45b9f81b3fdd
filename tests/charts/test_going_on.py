"""The caller makes a sound, or goes on, while we think and right after our first sound."""

from __future__ import annotations

from statecharts.effects import Playout, ShowTranscript, Speak
from statecharts.events import (
    IntentDetected,
    RagAnswerReady,
    SpeechStarted,
    SpeechStopped,
    SttFinal,
    SttPartial,
    TtsChunkReady,
)
from statecharts.policy import Policy
from tests.charts.driver import Drive, asked, speaking


def test_a_caller_who_goes_on_while_we_think_makes_one_turn_of_both_parts() -> None:
    drive = asked(Drive(), "how old is")
    drive.take(SpeechStarted(), after_s=0.1)
    assert drive.path == "THINKING.holding"
    drive.wait(Policy().barge_in_speech_s)
    assert drive.path == "LISTENING.hearing"
    drive.take(SpeechStopped(silence_s=0.16), after_s=0.5)
    drive.take(SttFinal(text="the bridge"), after_s=0.1)
    drive.wait(0.5)
    assert drive.path == "THINKING.working"
    assert (drive.chart.context.turn, drive.chart.context.user_text) == (2, "how old is the bridge")
    shown = [effect for effect in drive.effects if isinstance(effect, ShowTranscript)]
    assert (shown[-1].turn, shown[-1].text) == (2, "how old is the bridge")


def test_a_cough_while_we_think_holds_the_answer_back_and_lets_it_go() -> None:
    drive = asked(Drive())
    drive.take(IntentDetected(intent="question", turn=1))
    drive.take(SpeechStarted())
    drive.take(RagAnswerReady(text="One.", is_final=True, turn=1, source="a.md"))
    assert not drive.asked(Speak)
    drive.take(SpeechStopped(silence_s=0.16), after_s=0.2)
    drive.take(SttFinal(text=""), after_s=0.2)
    assert drive.path == "THINKING.working"
    assert drive.asked(Speak) == [Speak(1, "One.", True, "answer", "1.answer.1")]


def test_words_taken_back_by_a_long_noise_are_answered_after_all() -> None:
    drive = asked(Drive(), "how old is the bridge")
    drive.take(SpeechStarted(), after_s=0.1)
    drive.wait(1.0)
    drive.take(SpeechStopped(silence_s=0.16))
    drive.take(SttFinal(text=""), after_s=0.2)
    drive.wait(0.5)
    assert drive.path == "THINKING.working"
    assert drive.chart.context.user_text == "how old is the bridge"


def test_audio_that_crosses_the_callers_voice_goes_to_the_audio_and_is_ducked() -> None:
    drive = asked(Drive())
    drive.take(IntentDetected(intent="question", turn=1))
    drive.take(RagAnswerReady(text="One.", is_final=True, turn=1, source="a.md"))
    drive.take(SpeechStarted())
    drive.take(TtsChunkReady(turn=1, audio_ms=500, request_id="1.answer.1"))
    assert drive.path == "INTERRUPT.ducked"


def test_going_on_right_after_our_first_sound_takes_the_turn_back() -> None:
    drive = speaking(heard_s=0.1)
    drive.take(SpeechStarted())
    drive.take(SttPartial(text="in Brooklyn"), after_s=0.3)
    order = [type(effect).__name__ for effect in drive.effects]
    assert order.index("Withdrawn") > max(i for i, e in enumerate(drive.effects) if e == Playout(1, "stop"))
    assert order[-1] == "StateChanged" or "StateChanged" in order[order.index("Withdrawn") :]
    assert drive.chart.context.carried == "how old is the bridge"
