"""A plain turn, and the ways in which one begins and ends."""

from __future__ import annotations

from statecharts.effects import (
    Drop,
    RequestAnswer,
    RequestIntent,
    ShowTranscript,
    Speak,
    StateChanged,
    TurnEnded,
)
from statecharts.events import (
    Connected,
    IntentDetected,
    IntentFailed,
    PlaybackDone,
    PlaybackProgress,
    PlaybackStarted,
    RagAnswerReady,
    RagFailed,
    SpeechStarted,
    SpeechStopped,
    SttFinal,
    SttPartial,
    TimerFired,
    TtsChunkReady,
    TtsDone,
)
from statecharts.policy import Policy
from statecharts.possibilities import SAID
from tests.charts.driver import Drive, answered, asked, speaking


def test_a_plain_turn_is_heard_thought_about_answered_and_over() -> None:
    drive = answered(asked(Drive()), "It opened in 1883.")
    drive.take(PlaybackStarted(turn=1, played_s=0.0))
    drive.take(PlaybackDone(turn=1), after_s=2.0)
    assert drive.states == ["LISTENING", "THINKING", "SPEAKING", "LISTENING"]
    assert drive.asked(TurnEnded) == [
        TurnEnded(1, "how old is the bridge", "It opened in 1883.", "It opened in 1883.", False, False)
    ]


def test_a_timer_that_was_started_anew_is_not_heeded_when_it_was_due_before() -> None:
    drive = speaking()
    due = drive.timers["playback_deadline"]
    drive.take(PlaybackProgress(turn=1, played_s=0.5))
    assert drive.timers["playback_deadline"] > due
    drive.now = due
    effects = drive.take(TimerFired(name="playback_deadline", event_id="rung before"))
    assert effects == [Drop("rung before", TimerFired.event_type, "timer playback_deadline was started anew since")]
    assert drive.chart.state == "SPEAKING"


def test_the_guides_names_are_the_triggers() -> None:
    drive = answered(asked(Drive()), "It opened in 1883.")
    drive.take(SpeechStarted(), after_s=0.3)
    drive.take(SttPartial(text="no wait"), after_s=0.3)
    triggers = [effect.trigger for effect in drive.effects if isinstance(effect, StateChanged)]
    assert [name for name in triggers if name in ("stt_final", "barge_in", "ready_for_next")] == [
        "stt_final",
        "barge_in",
        "ready_for_next",
    ]


def test_intent_and_answer_are_asked_for_in_the_same_step() -> None:
    drive = asked(Drive(), "hello")
    assert drive.asked(RequestIntent) == [RequestIntent(1, "hello", "1.intent")]
    assert drive.asked(RequestAnswer) == [RequestAnswer(1, "hello", "1.answer")]


def test_the_end_of_turn_counts_from_the_true_end_of_the_voice() -> None:
    drive = Drive(Policy(end_of_turn_s=0.5, speculation="off", adaptive_end_of_turn=False))
    drive.take(Connected())
    drive.take(SpeechStarted(), after_s=1.0)
    drive.take(SpeechStopped(silence_s=0.2), after_s=1.0)
    drive.take(SttFinal(text="hello"), after_s=0.1)
    drive.wait(0.19)
    assert drive.path == "LISTENING.settling"
    drive.wait(0.02)
    assert drive.path == "THINKING.working"


def test_a_late_final_text_ends_the_turn_at_once() -> None:
    drive = Drive()
    drive.take(Connected())
    drive.take(SpeechStarted())
    drive.take(SpeechStopped(silence_s=0.16), after_s=1.0)
    drive.wait(1.0)
    assert drive.path == "LISTENING.settling"
    drive.take(SttFinal(text="hello"))
    assert drive.path == "THINKING.working"


def test_a_final_text_in_the_middle_does_not_end_the_turn() -> None:
    drive = Drive()
    drive.take(Connected())
    drive.take(SpeechStarted())
    drive.take(SttFinal(text="first half"), after_s=1.0)
    assert drive.path == "LISTENING.hearing"


def test_partial_words_do_when_the_recogniser_stays_silent() -> None:
    drive = Drive()
    drive.take(Connected())
    drive.take(SpeechStarted())
    drive.take(SttPartial(text="how old is it"), after_s=0.5)
    drive.take(SpeechStopped(silence_s=0.16), after_s=0.5)
    drive.wait(Policy().final_wait_s + 1.0)
    assert drive.path == "THINKING.working"
    assert drive.chart.context.user_text == "how old is it"


def test_noise_is_no_turn() -> None:
    drive = Drive()
    drive.take(Connected())
    drive.take(SpeechStarted())
    drive.take(SpeechStopped(silence_s=0.16), after_s=0.4)
    drive.take(SttFinal(text=""), after_s=0.2)
    assert drive.path == "LISTENING.quiet"
    assert drive.chart.context.turn == 0


def test_a_voice_without_end_is_borne_as_long_as_it_brings_words() -> None:
    drive = Drive()
    drive.take(Connected())
    drive.take(SpeechStarted())
    drive.take(SttPartial(text="and then"), after_s=1.0)
    drive.wait(Policy().hearing_max_s)
    drive.take(SttPartial(text="and then I went home"), after_s=1.0)
    drive.wait(Policy().hearing_max_s)
    assert drive.path == "LISTENING.hearing"
    drive.wait(Policy().hearing_max_s)
    assert drive.path == "THINKING.working"
    assert drive.chart.context.user_text == "and then I went home"


def test_typed_text_opens_a_turn_from_a_new_session() -> None:
    drive = Drive()
    drive.take(SttFinal(text="hello", origin="typed"))
    assert drive.states == ["LISTENING", "THINKING"]


def test_typed_text_is_echoed_with_the_turn_it_opens() -> None:
    drive = Drive()
    drive.take(Connected())
    drive.take(SttFinal(text="hello", confidence=1.0, origin="typed"))
    assert drive.asked(ShowTranscript) == [ShowTranscript(1, "hello", True, 1.0, "typed")]


def test_typed_text_while_thinking_takes_the_turn_back_and_joins_the_words() -> None:
    drive = asked(Drive(), "how old is the bridge")
    drive.take(SttFinal(text="in Brooklyn", origin="typed"))
    assert drive.path == "THINKING.working"
    assert drive.chart.context.turn == 2
    assert drive.chart.context.user_text == "how old is the bridge in Brooklyn"
    assert drive.asked(TurnEnded) == [TurnEnded(1, "how old is the bridge", "", "", False, True)]


def test_a_quiet_caller_is_away_and_a_word_wakes_us() -> None:
    drive = Drive()
    drive.take(Connected())
    drive.wait(Policy().away_s + 1)
    assert drive.path == "IDLE.away"
    drive.take(SpeechStarted())
    assert drive.path == "LISTENING.hearing"


def test_sentences_are_spoken_as_they_come_once_the_intent_is_known() -> None:
    drive = asked(Drive())
    drive.take(RagAnswerReady(text="One.", turn=1, source="a.md"))
    assert not drive.asked(Speak)
    drive.take(IntentDetected(intent="question", turn=1))
    drive.take(RagAnswerReady(text="Two.", is_final=True, turn=1, source="a.md"))
    assert drive.asked(Speak) == [
        Speak(1, "One.", False, "answer", "1.answer.1"),
        Speak(1, "Two.", True, "answer", "1.answer.2"),
    ]


def test_a_slow_or_failed_intent_is_taken_for_a_question() -> None:
    for news in (None, IntentFailed(turn=1, error="gone")):
        drive = asked(Drive())
        drive.take(RagAnswerReady(text="One.", is_final=True, turn=1, source="a.md"))
        if news is None:
            drive.wait(Policy().intent_wait_s + 0.01)
        else:
            drive.take(news)
        assert drive.asked(Speak) == [Speak(1, "One.", True, "answer", "1.answer.1")]


def test_a_greeting_is_answered_by_its_phrase_and_retrieval_is_dropped() -> None:
    drive = asked(Drive(), "hello")
    drive.take(IntentDetected(intent="greeting", turn=1))
    assert drive.asked(Speak) == [Speak(1, SAID.hello[0], True, "answer", "1.answer.1")]
    late = drive.take(RagAnswerReady(text="A bridge.", is_final=True, turn=1, source="a.md"))
    assert isinstance(late[0], Drop)


def test_help_without_knowledge_is_answered_by_its_phrase() -> None:
    drive = asked(Drive(), "help")
    drive.take(IntentDetected(intent="help", turn=1))
    drive.take(RagAnswerReady(text="I do not know that.", is_final=True, turn=1))
    assert drive.asked(Speak) == [Speak(1, SAID.help[0], True, "answer", "1.answer.1")]


def test_repeat_says_what_was_heard() -> None:
    drive = answered(asked(Drive()), "It opened in 1883.", "It is long.")
    drive.take(PlaybackDone(turn=1, played_s=2.0), after_s=2.0)
    asked(drive, "say that again")
    drive.take(IntentDetected(intent="repeat", turn=2))
    assert drive.asked(Speak)[-1] == Speak(2, "It opened in 1883.", True, "answer", "2.answer.1")


def test_repeat_before_anything_was_said_says_so() -> None:
    drive = asked(Drive(), "say that again")
    drive.take(IntentDetected(intent="repeat", turn=1))
    assert drive.asked(Speak)[-1] == Speak(1, SAID.nothing_to_repeat[0], True, "answer", "1.answer.1")


def test_nothing_to_say_gives_the_floor_back() -> None:
    drive = asked(Drive())
    drive.take(IntentDetected(intent="question", turn=1))
    drive.take(RagAnswerReady(text="", is_final=True, turn=1))
    assert drive.path == "LISTENING.quiet"
    assert drive.asked(TurnEnded) == [TurnEnded(1, "how old is the bridge", "", "", False, False)]


def test_nothing_to_say_known_before_the_intent_gives_the_floor_back_too() -> None:
    drive = asked(Drive())
    drive.take(RagAnswerReady(text="", is_final=True, turn=1))
    assert drive.path == "THINKING.working"
    drive.take(IntentDetected(intent="question", turn=1))
    assert drive.path == "LISTENING.quiet"


def test_an_answer_that_is_late_is_apologised_for_aloud() -> None:
    drive = asked(Drive())
    drive.wait(Policy().answer_deadline_s)
    assert drive.asked(Speak) == [Speak(1, SAID.apology[1], True, "apology", "1.apology.1")]
    drive.take(TtsChunkReady(turn=1, audio_ms=1500, request_id="1.apology.1"), after_s=0.2)
    assert drive.path == "SPEAKING.streaming"
    drive.take(TtsDone(turn=1))
    drive.take(PlaybackDone(turn=1, kind="apology"), after_s=1.5)
    assert drive.path == "LISTENING.quiet"
    late = drive.take(RagAnswerReady(text="It opened in 1883.", is_final=True, turn=1))
    assert isinstance(late[0], Drop)


def test_an_apology_without_a_voice_ends_in_silence() -> None:
    drive = asked(Drive())
    drive.wait(Policy().answer_deadline_s + Policy().apology_wait_s)
    assert drive.path == "LISTENING.quiet"


def test_failed_retrieval_is_apologised_for_at_once() -> None:
    drive = asked(Drive())
    drive.take(RagFailed(turn=1, error="no index"))
    assert [effect.kind for effect in drive.effects if isinstance(effect, Speak)] == ["apology"]


def test_a_client_that_never_reports_does_not_hold_the_floor() -> None:
    drive = answered(asked(Drive()), "It opened in 1883.", audio_s=2.0)
    drive.wait(2.0 + Policy().playout_margin_s - 0.01)
    assert drive.chart.state == "SPEAKING"
    drive.wait(0.02)
    assert drive.path == "LISTENING.quiet"
    assert drive.asked(TurnEnded)[0] == TurnEnded(
        1, "how old is the bridge", "It opened in 1883.", "It opened in 1883.", False, False
    )


def test_a_client_that_cuts_the_answer_ends_it_there() -> None:
    drive = answered(asked(Drive()), "It opened in 1883.", "It is long.")
    drive.take(PlaybackDone(turn=1, played_s=1.0), after_s=1.0)
    assert drive.path == "LISTENING.quiet"
    assert [effect.heard_text for effect in drive.effects if isinstance(effect, TurnEnded)] == ["It opened"]


def test_playback_done_between_two_sentences_does_not_end_the_answer() -> None:
    drive = asked(Drive())
    drive.take(IntentDetected(intent="question", turn=1))
    drive.take(RagAnswerReady(text="One.", turn=1, source="a.md"))
    drive.take(TtsChunkReady(turn=1, audio_ms=500, request_id="1.answer.1"))
    drive.take(PlaybackDone(turn=1), after_s=0.5)
    assert drive.path == "SPEAKING.streaming"
    drive.take(RagAnswerReady(text="Two.", is_final=True, turn=1, source="a.md"))
    drive.take(TtsChunkReady(turn=1, audio_ms=500, request_id="1.answer.2"))
    drive.take(TtsDone(turn=1))
    drive.take(PlaybackDone(turn=1), after_s=0.5)
    assert drive.path == "LISTENING.quiet"
    assert [effect.heard_text for effect in drive.effects if isinstance(effect, TurnEnded)] == ["One. Two."]


def test_a_result_of_an_older_turn_is_dropped_with_the_reason() -> None:
    drive = answered(asked(Drive()), "It opened in 1883.")
    drive.take(PlaybackDone(turn=1), after_s=2.0)
    asked(drive, "and the other one")
    late = drive.take(RagAnswerReady(text="Too late.", is_final=True, turn=1))
    assert isinstance(late[0], Drop)
    assert "turn 1" in late[0].reason


def test_a_second_intent_for_the_same_turn_is_dropped() -> None:
    drive = asked(Drive())
    drive.take(IntentDetected(intent="question", turn=1))
    assert isinstance(drive.take(IntentDetected(intent="greeting", turn=1))[0], Drop)
