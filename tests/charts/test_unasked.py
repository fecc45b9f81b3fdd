"""What we say of our own accord: greeting, fillers, prompts, "are you still there?"."""

from __future__ import annotations

from itertools import pairwise

import msgspec

from statecharts.effects import CancelFiller, CancelSpeech, CancelTasks, Drop, Effect, Speak, TurnEnded
from statecharts.events import (
    Connected,
    IntentDetected,
    PlaybackDone,
    RagAnswerReady,
    SessionEnded,
    SpeechStarted,
    SpeechStopped,
    SttFinal,
    TtsChunkReady,
    TtsDone,
)
from statecharts.phrases import Fillers, Phrases, chosen
from statecharts.policy import Policy
from statecharts.possibilities import SAID
from tests.charts.driver import PLAIN, Drive, answered, asked

PHRASES = msgspec.structs.replace(
    SAID, greeting=("Welcome.",), prompt=("What else?", "Anything else?"), still_there=("Still there?",)
)
GREETING = msgspec.structs.replace(PLAIN, greeting_after_s=0.5)
FILLING = msgspec.structs.replace(PLAIN, filler_after_s=0.8)
PROMPTING = msgspec.structs.replace(PLAIN, prompt_after_s=10.0, prompts_max=2, still_there_s=10.0, away_s=60.0)


def said(drive: Drive, *kinds: str) -> list[str]:
    return [effect.text for effect in drive.effects if isinstance(effect, Speak) and effect.kind in kinds]


def heard(drive: Drive, seconds: float = 1.0) -> None:
    """What was asked of the voice last is spoken and played."""
    last = [effect for effect in drive.effects if isinstance(effect, Speak)][-1]
    drive.take(TtsChunkReady(turn=last.turn, audio_ms=seconds * 1000, request_id=last.request_id), after_s=0.1)
    assert drive.path == "SPEAKING.streaming"
    drive.take(TtsDone(turn=last.turn, request_id=last.request_id))
    drive.take(PlaybackDone(turn=last.turn, kind=last.kind), after_s=seconds)
    assert drive.path == "LISTENING.quiet"


def test_variants_take_turns_and_the_last_one_is_left_out() -> None:
    assert [chosen(("a", "b", "c"), turn) for turn in range(4)] == ["a", "b", "c", "a"]
    assert chosen(("a", "b"), 1, "b") == "a"
    assert chosen(("a",), 1, "a") == ""
    assert chosen((), 1) == ""


def test_nothing_is_said_unasked_unless_the_policy_says_so() -> None:
    drive = Drive(PLAIN, PHRASES)
    drive.take(Connected())
    drive.wait(Policy().away_s)
    assert drive.path == "IDLE.away"
    assert not drive.asked(Speak)


def test_a_caller_who_connects_is_greeted() -> None:
    drive = Drive(GREETING, PHRASES)
    drive.take(Connected())
    drive.wait(0.49)
    assert not drive.asked(Speak)
    drive.wait(0.02)
    assert drive.asked(Speak) == [Speak(0, "Welcome.", True, "greeting", "0.greeting")]
    heard(drive)
    assert drive.asked(TurnEnded) == [TurnEnded(0, "", "Welcome.", "Welcome.", False, False)]


def test_a_caller_faster_than_the_greeting_is_not_greeted_any_more() -> None:
    drive = Drive(GREETING, PHRASES)
    drive.take(Connected())
    drive.take(SpeechStarted(), after_s=0.4)
    drive.wait(5.0)
    assert not drive.asked(Speak)


def test_a_greeting_that_is_not_heard_yet_gives_way_to_the_caller() -> None:
    drive = Drive(GREETING, PHRASES)
    drive.take(Connected())
    drive.take(SpeechStarted(), after_s=0.6)
    assert [type(effect) for effect in drive.asked(CancelSpeech)] == [CancelSpeech]
    late = drive.take(TtsChunkReady(turn=0, audio_ms=800, request_id="0.greeting"))
    assert isinstance(late[0], Drop)
    assert drive.path == "LISTENING.hearing"


def test_who_calls_again_is_greeted_again() -> None:
    drive = Drive(GREETING, PHRASES)
    for _ in range(2):
        drive.take(Connected())
        drive.wait(0.5)
        heard(drive)
        drive.take(SessionEnded(reason="hangup"))
    assert said(drive, "greeting") == ["Welcome.", "Welcome."]


def test_a_filler_bridges_a_long_wait_and_the_answer_follows() -> None:
    drive = asked(Drive(FILLING))
    drive.wait(0.81)
    assert drive.path == "THINKING.filling"
    drive.take(PlaybackDone(turn=1, kind="filler"), after_s=0.6)
    assert drive.path == "THINKING.working"
    answered(drive, "It opened in 1883.")
    assert drive.chart.state == "SPEAKING"


def test_fillers_suit_the_intent_and_are_never_said_twice_in_a_row() -> None:
    phrases = msgspec.structs.replace(
        SAID, filler=Fillers(question=("Let me see.", "One moment."), help=("One moment.", "Let me think."))
    )
    drive = Drive(FILLING, phrases)
    for turn, intent in enumerate(("question", "question", "help", "help", "question"), 1):
        asked(drive)
        drive.take(IntentDetected(intent=intent, turn=turn))
        drive.wait(0.8)
        answered(drive, "It opened in 1883.")
        drive.take(PlaybackDone(turn=turn), after_s=2.0)
    fillers = said(drive, "filler")
    assert len(fillers) == 5
    assert all(one != other for one, other in pairwise(fillers))
    assert set(fillers[:2]) <= {"Let me see.", "One moment."}
    assert set(fillers[2:4]) <= {"One moment.", "Let me think."}


def test_the_only_filler_is_not_said_twice_in_a_row_either() -> None:
    drive = Drive(FILLING, msgspec.structs.replace(SAID, filler=Fillers(question=("Well.",))))
    for turn in (1, 2):
        asked(drive)
        drive.wait(0.81)
        assert drive.path == ("THINKING.filling" if turn == 1 else "THINKING.working")
        answered(drive, "It opened in 1883.")
        drive.take(PlaybackDone(turn=turn), after_s=2.0)
    assert said(drive, "filler") == ["Well."]


def test_an_answer_that_is_with_the_voice_is_not_followed_by_a_filler() -> None:
    drive = asked(Drive(FILLING))
    drive.take(IntentDetected(intent="question", turn=1), after_s=0.5)
    drive.take(RagAnswerReady(text="It opened in 1883.", is_final=True, turn=1, source="a.md"))
    drive.wait(0.3)
    assert drive.path == "THINKING.working"
    assert not said(drive, "filler")


def test_a_sound_over_the_filler_ends_it_and_leaves_the_answer_alone() -> None:
    drive = asked(Drive(FILLING))
    drive.take(IntentDetected(intent="question", turn=1))
    drive.wait(0.81)
    drive.take(RagAnswerReady(text="It opened in 1883.", is_final=True, turn=1, source="a.md"))
    effects = drive.take(SpeechStarted())
    assert drive.path == "THINKING.holding"
    assert [effect.turn for effect in effects if isinstance(effect, CancelFiller)] == [1]
    assert not drive.asked(CancelSpeech)


def test_nothing_to_say_ends_the_filler_and_the_turn() -> None:
    drive = asked(Drive(FILLING))
    drive.take(IntentDetected(intent="question", turn=1))
    drive.wait(0.81)
    effects = drive.take(RagAnswerReady(text="", is_final=True, turn=1))
    assert drive.path == "LISTENING.quiet"
    wanted: list[Effect] = [effect for effect in effects if isinstance(effect, (CancelFiller, CancelTasks))]
    assert [type(effect) for effect in wanted] == [CancelFiller, CancelTasks]


def test_a_quiet_caller_is_offered_the_floor_again_asked_for_and_given_up() -> None:
    drive = Drive(PROMPTING, PHRASES)
    asked(drive)
    answered(drive, "It opened in 1883.")
    drive.take(PlaybackDone(turn=1), after_s=2.0)
    for number, text in enumerate(("What else?", "Anything else?"), 2):
        drive.wait(9.9)
        assert len(said(drive, "prompt")) == number - 2
        drive.wait(0.2)
        assert said(drive, "prompt")[-1] == text
        assert drive.chart.context.turn == number
        heard(drive)
    drive.wait(49.8)
    assert len(said(drive, "prompt")) == 2
    drive.wait(0.3)
    assert said(drive, "prompt")[-1] == "Still there?"
    heard(drive)
    drive.wait(9.9)
    assert drive.path == "LISTENING.quiet"
    drive.wait(0.2)
    assert drive.path == "IDLE.away"
    assert len(said(drive, "prompt")) == 3


def test_whoever_answers_a_prompt_is_offered_the_floor_again_after_the_next_answer() -> None:
    drive = Drive(PROMPTING, PHRASES)
    answered(asked(drive), "It opened in 1883.")
    drive.take(PlaybackDone(turn=1), after_s=2.0)
    drive.wait(10.0)
    heard(drive)
    asked(drive, "and how long is it")
    assert drive.chart.context.turn == 3
    answered(drive, "1825 metres.")
    drive.take(PlaybackDone(turn=3), after_s=2.0)
    drive.wait(10.0)
    heard(drive)
    drive.wait(10.0)
    assert len(said(drive, "prompt")) == 3


def test_before_anything_of_ours_was_heard_nobody_is_prompted() -> None:
    drive = Drive(msgspec.structs.replace(PROMPTING, still_there_s=0.0), PHRASES)
    drive.take(Connected())
    drive.wait(59.0)
    assert not drive.asked(Speak)


def test_a_noise_does_not_bring_more_prompts() -> None:
    drive = Drive(msgspec.structs.replace(PROMPTING, still_there_s=0.0), PHRASES)
    answered(asked(drive), "It opened in 1883.")
    drive.take(PlaybackDone(turn=1), after_s=2.0)
    for _ in range(4):
        drive.wait(10.1)
        if drive.asked(Speak)[-1] not in drive.effects[:-12]:
            heard(drive)
        drive.take(SpeechStarted())
        drive.take(SpeechStopped(silence_s=0.16), after_s=0.4)
        drive.take(SttFinal(text=""), after_s=0.2)
    assert len(said(drive, "prompt")) == 2


def test_texts_that_are_not_written_are_not_said() -> None:
    drive = Drive(msgspec.structs.replace(PROMPTING, greeting_after_s=0.5), Phrases())
    drive.take(Connected())
    drive.wait(70.0)
    assert not drive.asked(Speak)
    assert drive.path == "IDLE.away"
