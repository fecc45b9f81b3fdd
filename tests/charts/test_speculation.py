"""Guesses: what is made ready while the caller may be done is used if the words stay, and never happened if not."""

from __future__ import annotations

from typing import Literal

from statecharts.effects import (
    CancelSpeech,
    CancelTasks,
    CommitSpeech,
    Drop,
    RequestAnswer,
    RequestIntent,
    Speak,
    Speculated,
)
from statecharts.events import (
    Connected,
    IntentDetected,
    RagAnswerReady,
    RagFailed,
    SpeechStarted,
    SpeechStopped,
    SttFinal,
    TtsChunkReady,
)
from statecharts.policy import Policy
from tests.charts.driver import Drive

QUESTION = "how old is the bridge"


def paused(drive: Drive, text: str = QUESTION) -> Drive:
    """The caller has spoken and fallen silent; the words are known, the silence is not over."""
    drive.take(SpeechStarted(), after_s=0.5)
    drive.take(SpeechStopped(silence_s=0.16), after_s=1.0)
    drive.take(SttFinal(text=text, confidence=0.9), after_s=0.1)
    assert drive.path == "LISTENING.settling"
    return drive


def connected(mode: Literal["off", "text", "voice"] = "voice") -> Drive:
    drive = Drive(Policy(speculation=mode, adaptive_end_of_turn=False))
    drive.take(Connected())
    return drive


def told(
    drive: Drive, *, intent: str = "question", text: str = "It opened in 1883.", turn: int = 1, guess: int = 1
) -> None:
    """Intent and answer of a guess come."""
    drive.take(IntentDetected(intent=intent, turn=turn, request_id=f"{turn}.intent.g{guess}"))
    drive.take(RagAnswerReady(text=text, is_final=True, source="a.md", turn=turn, request_id=f"{turn}.answer.g{guess}"))


def test_a_right_guess_is_heard_at_the_end_of_the_turn_and_nothing_is_asked_twice() -> None:
    drive = paused(connected())
    told(drive)
    assert drive.asked(Speak) == [
        Speak(1, "It opened in 1883.", True, "answer", "1.answer.g1.1", True),
    ]
    assert not drive.asked(CommitSpeech)
    drive.wait(0.3)
    assert drive.path == "THINKING.working"
    assert drive.asked(CommitSpeech) == [CommitSpeech(1)]
    assert [(effect.turn, effect.speculative) for effect in drive.effects if isinstance(effect, RequestAnswer)] == [
        (1, True)
    ]
    drive.take(TtsChunkReady(turn=1, audio_ms=500, request_id="1.answer.g1.1"))
    assert drive.path == "SPEAKING.streaming"
    assert [effect.hit for effect in drive.effects if isinstance(effect, Speculated)] == [True]


def test_a_guess_is_given_up_when_the_caller_goes_on() -> None:
    drive = paused(connected())
    told(drive)
    effects = drive.take(SpeechStarted(), after_s=0.1)
    assert CancelTasks(1) in effects
    assert CancelSpeech(1, "guessed wrong") in effects
    assert Speculated(1, False, 0.1) in effects
    assert drive.chart.context.turn == 0
    assert drive.chart.context.speech is None


def test_a_late_result_of_a_wrong_guess_is_not_the_answer_to_other_words() -> None:
    drive = paused(connected())
    drive.take(SpeechStarted(), after_s=0.1)
    drive.take(SpeechStopped(silence_s=0.16), after_s=1.0)
    drive.take(SttFinal(text="how old is the bridge in Rome"), after_s=0.1)
    late = drive.take(RagAnswerReady(text="Wrong.", is_final=True, source="a.md", turn=1, request_id="1.answer.g1"))
    assert isinstance(late[0], Drop)
    told(drive, text="It is Roman.", guess=2)
    drive.wait(0.3)
    assert [effect.text for effect in drive.effects if isinstance(effect, Speak)] == ["It is Roman."]


def test_a_late_failure_of_a_wrong_guess_is_not_that_of_other_words() -> None:
    drive = paused(connected())
    drive.take(SpeechStarted(), after_s=0.1)
    drive.take(SpeechStopped(silence_s=0.16), after_s=1.0)
    drive.take(SttFinal(text="how old is the bridge in Rome"), after_s=0.1)
    late = drive.take(RagFailed(error="gone", turn=1, request_id="1.answer.g1"))
    assert isinstance(late[0], Drop)
    told(drive, text="It is Roman.", guess=2)
    drive.wait(0.3)
    assert [effect.text for effect in drive.effects if isinstance(effect, Speak)] == ["It is Roman."]


def test_the_same_words_in_other_letters_are_the_same_guess() -> None:
    drive = paused(connected())
    drive.take(SttFinal(text="How old is the bridge?"), after_s=0.05)
    assert len(drive.asked(RequestIntent)) == 1
    drive.wait(0.3)
    assert [effect.hit for effect in drive.effects if isinstance(effect, Speculated)] == [True]


def test_other_final_words_are_asked_about_anew() -> None:
    drive = paused(connected())
    drive.take(SttFinal(text="how cold is the bridge"), after_s=0.05)
    assert [effect.text for effect in drive.effects if isinstance(effect, RequestAnswer)] == [
        QUESTION,
        "how cold is the bridge",
    ]
    assert [effect.hit for effect in drive.effects if isinstance(effect, Speculated)] == [False]


def test_with_text_alone_nothing_is_synthesised_before_the_turn_has_begun() -> None:
    drive = paused(connected("text"))
    told(drive)
    assert not drive.asked(Speak)
    drive.wait(0.3)
    assert [(effect.turn, effect.speculative) for effect in drive.effects if isinstance(effect, Speak)] == [(1, False)]
    assert not drive.asked(CommitSpeech)


def test_switched_off_nothing_is_asked_before_the_end_of_the_turn() -> None:
    drive = paused(connected("off"))
    assert not drive.asked(RequestIntent)
    drive.wait(0.3)
    assert [effect.speculative for effect in drive.effects if isinstance(effect, RequestIntent)] == [False]


def test_an_answer_guessed_to_be_empty_ends_the_turn_once_the_intent_is_known() -> None:
    drive = paused(connected())
    drive.take(RagAnswerReady(is_final=True, turn=1, request_id="1.answer.g1"))
    drive.wait(0.3)
    assert drive.path == "THINKING.working", "the intent may still have a phrase of its own"
    drive.take(IntentDetected(intent="question", turn=1, request_id="1.intent.g1"))
    assert drive.path == "LISTENING.quiet"
    again = paused(drive)
    told(again, text="", turn=2, guess=2)
    again.wait(0.3)
    assert again.path == "LISTENING.quiet"
    assert again.chart.context.turn == 2


def test_a_fixed_reply_is_guessed_too() -> None:
    drive = paused(connected(), "hello")
    drive.take(IntentDetected(intent="greeting", turn=1, request_id="1.intent.g1"))
    drive.wait(0.3)
    assert drive.asked(CommitSpeech) == [CommitSpeech(1)]
    assert [effect.kind for effect in drive.effects if isinstance(effect, Speak)] == ["answer"]
