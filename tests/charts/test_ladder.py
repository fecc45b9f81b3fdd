"""The ladder downwards: whatever fails, the caller hears of it, or is answered in another way."""

from __future__ import annotations

import msgspec

from statecharts.effects import CancelTasks, RequestAnswer, Speak, Speculated, TurnEnded
from statecharts.events import (
    Connected,
    Disconnected,
    IntentDetected,
    IntentFailed,
    PlaybackDone,
    RagAnswerReady,
    SpeechStarted,
    SpeechStopped,
    SttFailed,
    SttFinal,
    TtsChunkReady,
    TtsDone,
    TtsFailed,
)
from statecharts.policy import Policy
from statecharts.possibilities import SAID
from tests.charts.driver import Drive, asked


def found(drive: Drive, *sentences: str) -> Drive:
    """The whole answer is known; nothing of it is heard yet."""
    turn = drive.chart.context.turn
    drive.take(IntentDetected(intent="question", turn=turn))
    for number, sentence in enumerate(sentences, 1):
        drive.take(RagAnswerReady(text=sentence, is_final=number == len(sentences), turn=turn, source="a.md"))
    return drive


def requests(drive: Drive) -> list[tuple[str, int | None, bool]]:
    return [
        (effect.text, effect.voice if effect.medium == "voice" else None, effect.again)
        for effect in drive.effects
        if isinstance(effect, Speak)
    ]


def test_without_an_intent_the_answer_is_spoken_all_the_same() -> None:
    drive = asked(Drive())
    drive.take(RagAnswerReady(text="One.", is_final=True, turn=1, source="a.md"))
    drive.take(IntentFailed(turn=1, error="gone"))
    assert requests(drive) == [("One.", 0, False)]


def test_a_recogniser_that_failed_is_admitted_aloud_and_the_floor_goes_back() -> None:
    drive = Drive()
    drive.take(Connected())
    drive.take(SpeechStarted())
    drive.take(SpeechStopped(silence_s=0.16), after_s=0.4)
    drive.take(SttFailed(error="overloaded"), after_s=0.2)
    assert drive.path == "LISTENING.quiet"
    assert drive.asked(Speak) == [Speak(1, SAID.not_heard[1], True, "apology", "1.apology")]
    drive.take(TtsChunkReady(turn=1, audio_ms=900, request_id="1.apology"), after_s=0.1)
    assert drive.path == "SPEAKING.streaming"
    drive.take(TtsDone(turn=1, request_id="1.apology"))
    drive.take(PlaybackDone(turn=1, kind="apology"), after_s=0.9)
    assert drive.path == "LISTENING.quiet"
    assert drive.asked(TurnEnded) == [TurnEnded(1, "", SAID.not_heard[1], SAID.not_heard[1], False, False)]
    asked(drive)
    assert drive.chart.context.turn == 2


def test_a_caller_who_is_gone_is_not_asked_to_say_it_again() -> None:
    drive = Drive()
    drive.take(Connected())
    drive.take(SpeechStarted())
    drive.take(Disconnected(), after_s=0.4)
    drive.take(SttFailed(error="overloaded"), after_s=0.2)
    assert not drive.asked(Speak)
    assert drive.path == "LISTENING.quiet"


def test_what_one_voice_cannot_say_the_next_one_says() -> None:
    drive = found(asked(Drive()), "One.", "Two.")
    drive.take(TtsFailed(turn=1, request_id="1.answer.1", error="no voice", voices_left=1))
    assert drive.path == "THINKING.working"
    assert requests(drive)[2:] == [("One.", 1, True), ("Two.", 1, True)]
    last = drive.asked(Speak)[-1]
    assert isinstance(last, Speak)
    assert last.is_final
    drive.take(TtsChunkReady(turn=1, audio_ms=1000, request_id="1.answer.3"))
    assert drive.path == "SPEAKING.streaming"


def test_the_rest_of_the_call_is_spoken_by_the_voice_that_works() -> None:
    drive = found(asked(Drive()), "One.")
    drive.take(TtsFailed(turn=1, request_id="1.answer.1", voices_left=1))
    drive.take(TtsChunkReady(turn=1, audio_ms=1000, request_id="1.answer.2"))
    drive.take(TtsDone(turn=1, request_id="1.answer.2"))
    drive.take(PlaybackDone(turn=1), after_s=1.0)
    found(asked(drive), "Two.")
    assert requests(drive)[-1] == ("Two.", 1, False)


def test_a_sentence_whose_beginning_was_heard_is_not_begun_again() -> None:
    drive = found(asked(Drive()), "The first of them is long.", "Two.")
    drive.take(TtsChunkReady(turn=1, audio_ms=500, request_id="1.answer.1"))
    drive.take(TtsFailed(turn=1, request_id="1.answer.1", voices_left=1), after_s=0.1)
    assert drive.path == "SPEAKING.streaming"
    assert requests(drive)[2:] == [("Two.", 1, True)]
    drive.take(TtsChunkReady(turn=1, audio_ms=500, request_id="1.answer.3"))
    drive.take(TtsDone(turn=1, request_id="1.answer.3"))
    drive.take(PlaybackDone(turn=1), after_s=1.0)
    (ended,) = drive.asked(TurnEnded)
    assert isinstance(ended, TurnEnded)
    assert ended.heard_text == "The", "the rest of the sentence was not heard, nor what followed as a beginning"


def test_with_no_voice_left_the_text_goes_out_and_the_turn_ends() -> None:
    drive = asked(Drive())
    drive.take(IntentDetected(intent="question", turn=1))
    drive.take(RagAnswerReady(text="One.", turn=1, source="a.md"))
    drive.take(TtsFailed(turn=1, request_id="1.answer.1", error="no voice"))
    assert drive.path == "THINKING.working"
    drive.take(RagAnswerReady(text="Two.", is_final=True, turn=1, source="a.md"))
    assert requests(drive) == [("One.", 0, False), ("One.", None, True), ("Two.", None, False)]
    drive.take(TtsDone(turn=1, request_id="1.answer.3"))
    assert drive.path == "LISTENING.quiet"
    assert drive.asked(TurnEnded) == [TurnEnded(1, "how old is the bridge", "One. Two.", "", False, False)]
    found(asked(drive), "Three.")
    assert requests(drive)[-1] == ("Three.", 0, False), "the next turn tries it again"


def test_with_no_voice_left_in_the_middle_only_what_was_heard_is_in_the_history() -> None:
    drive = found(asked(Drive()), "One.", "Two.")
    drive.take(TtsChunkReady(turn=1, audio_ms=500, request_id="1.answer.1"))
    drive.take(TtsFailed(turn=1, request_id="1.answer.2"), after_s=0.1)
    assert requests(drive)[2:] == [("Two.", None, True)]
    drive.take(TtsDone(turn=1, request_id="1.answer.3"))
    assert drive.path == "SPEAKING.draining"
    drive.take(PlaybackDone(turn=1), after_s=0.5)
    assert drive.path == "LISTENING.quiet"
    assert drive.asked(TurnEnded) == [TurnEnded(1, "how old is the bridge", "One. Two.", "One.", False, False)]


def test_a_failure_of_the_last_sentence_half_said_ends_the_answer() -> None:
    drive = found(asked(Drive()), "One is rather long.")
    drive.take(TtsChunkReady(turn=1, audio_ms=500, request_id="1.answer.1"))
    drive.take(TtsFailed(turn=1, request_id="1.answer.1", voices_left=1), after_s=0.1)
    assert requests(drive)[1:] == [("", 1, True)]
    drive.take(TtsDone(turn=1, request_id="1.answer.2"))
    assert drive.path == "SPEAKING.draining"


def test_a_voice_that_fails_on_a_guess_costs_the_guess_alone() -> None:
    drive = Drive(Policy(adaptive_end_of_turn=False))
    drive.take(Connected())
    drive.take(SpeechStarted(), after_s=0.5)
    drive.take(SpeechStopped(silence_s=0.16), after_s=1.0)
    drive.take(SttFinal(text="how old is it"), after_s=0.05)
    drive.take(IntentDetected(intent="question", turn=1))
    drive.take(RagAnswerReady(text="One.", is_final=True, turn=1, source="a.md"))
    drive.take(TtsFailed(turn=1, request_id="1.answer.g1.1", voices_left=1))
    assert CancelTasks(1) in drive.effects
    assert [effect.hit for effect in drive.effects if isinstance(effect, Speculated)] == [False]
    drive.wait(0.5)
    assert drive.path == "THINKING.working"
    assert drive.asked(RequestAnswer)[-1] == RequestAnswer(1, "how old is it", "1.answer")


def test_a_greeting_that_no_voice_can_say_is_over_when_it_was_shown() -> None:
    drive = Drive(Policy(greeting_after_s=0.5, away_s=60.0), msgspec.structs.replace(SAID, greeting=("Welcome.",)))
    drive.take(Connected())
    drive.take(TtsFailed(turn=0, request_id="0.greeting"), after_s=0.6)
    last = drive.asked(Speak)[-1]
    assert isinstance(last, Speak)
    assert last.medium == "text"
    drive.take(TtsDone(turn=0, request_id=last.request_id))
    assert drive.chart.context.speech is None
    assert drive.path == "LISTENING.quiet"
