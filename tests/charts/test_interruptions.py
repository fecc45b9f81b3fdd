"""The caller makes a sound over us, or goes on while we think."""

from __future__ import annotations

import pytest

from statecharts.effects import CancelSpeech, GuardEcho, Playout, ShowTranscript, Speak, TurnEnded, Withdrawn
from statecharts.events import (
    BargeIn,
    Connected,
    Disconnected,
    IntentDetected,
    MicOpened,
    PlaybackDone,
    PlaybackProgress,
    PlaybackStarted,
    RagAnswerReady,
    SessionEnded,
    SpeechStarted,
    SpeechStopped,
    SttFinal,
    SttPartial,
    TtsChunkReady,
)
from statecharts.policy import Policy
from tests.charts.driver import Drive
from tests.charts.test_turns import answered, asked


def actions(drive: Drive) -> list[str]:
    return [effect.action for effect in drive.effects if isinstance(effect, Playout)]


def speaking(policy: Policy | None = None, *, audio_s: float = 5.0, heard_s: float = 2.0) -> Drive:
    drive = answered(asked(Drive(policy)), "Once there was a fox.", "It lived in a wood.", audio_s=audio_s)
    drive.take(PlaybackStarted(turn=1, played_s=0.0))
    drive.wait(heard_s)
    return drive


def test_a_sound_ducks_and_a_voice_that_lasts_pauses() -> None:
    drive = speaking()
    drive.take(SpeechStarted())
    assert drive.path == "INTERRUPT.ducked"
    drive.wait(Policy().barge_in_speech_s)
    assert drive.path == "INTERRUPT.paused"
    assert actions(drive) == ["duck", "pause"]


def test_words_stop_the_answer_and_are_the_next_turn() -> None:
    drive = speaking()
    drive.take(SpeechStarted())
    drive.take(SttPartial(text="no stop"), after_s=0.5)
    assert drive.path == "LISTENING.hearing"
    assert actions(drive)[-1] == "stop"
    assert CancelSpeech(1, "the caller speaks") in drive.effects
    drive.take(PlaybackDone(turn=1, played_s=2.5), after_s=0.05)
    drive.take(SpeechStopped(silence_s=0.16), after_s=0.3)
    drive.take(SttFinal(text="no stop the story"), after_s=0.1)
    drive.wait(0.5)
    assert drive.path == "THINKING.working"
    assert drive.chart.context.user_text == "no stop the story"
    ended = [effect for effect in drive.effects if isinstance(effect, TurnEnded)]
    assert ended == [
        TurnEnded(1, "how old is the bridge", "Once there was a fox. It lived in a wood.", "Once there", True, False)
    ]


def test_a_player_that_cannot_pause_is_stopped_by_a_lasting_voice() -> None:
    drive = speaking(Policy(pausable=False, speculation="off", adaptive_end_of_turn=False))
    drive.take(SpeechStarted())
    drive.wait(Policy().barge_in_speech_s)
    assert drive.path == "LISTENING.hearing"
    assert actions(drive) == ["duck", "stop"]


def test_a_cough_resumes_at_the_recognisers_verdict() -> None:
    drive = speaking()
    drive.take(SpeechStarted())
    drive.take(SpeechStopped(silence_s=0.16), after_s=0.3)
    drive.take(SttFinal(text=""), after_s=0.2)
    assert drive.path == "SPEAKING.draining"
    assert actions(drive) == ["duck", "resume"]


def test_a_cough_without_a_verdict_resumes_after_the_quiet() -> None:
    drive = speaking()
    drive.take(SpeechStarted())
    drive.take(SpeechStopped(silence_s=0.16), after_s=0.3)
    drive.wait(Policy().false_interruption_s)
    assert drive.path == "SPEAKING.draining"


def test_an_answer_resumed_after_a_cough_is_heard_whole() -> None:
    drive = speaking(audio_s=2.0, heard_s=1.0)
    drive.take(SpeechStarted())
    drive.wait(0.45)
    assert drive.path == "INTERRUPT.paused"
    drive.take(SpeechStopped(silence_s=0.16), after_s=0.2)
    drive.take(SttFinal(text=""), after_s=0.2)
    drive.take(PlaybackDone(turn=1), after_s=3.0)
    assert [effect.heard_text for effect in drive.effects if isinstance(effect, TurnEnded)] == [
        "Once there was a fox. It lived in a wood."
    ]


@pytest.mark.parametrize("word", ["Mm-hmm.", "yeah", "Right."])
def test_a_backchannel_over_our_answer_means_go_on(word: str) -> None:
    drive = speaking()
    drive.take(SpeechStarted())
    drive.take(SttPartial(text=word), after_s=0.2)
    drive.take(SpeechStopped(silence_s=0.16), after_s=0.3)
    drive.take(SttFinal(text=word), after_s=0.1)
    assert drive.chart.state == "SPEAKING"


def test_the_same_word_while_we_listen_is_a_turn() -> None:
    drive = asked(Drive(), "yeah")
    assert drive.chart.context.user_text == "yeah"


def test_too_few_words_are_no_verdict_but_they_add_up() -> None:
    drive = speaking(Policy(barge_in_min_words=3, speculation="off", adaptive_end_of_turn=False))
    drive.take(SpeechStarted())
    drive.wait(1.0)
    assert drive.path == "INTERRUPT.ducked"
    drive.take(SpeechStopped(silence_s=0.16))
    drive.take(SttFinal(text="but what"), after_s=0.1)
    assert drive.chart.state == "SPEAKING"
    drive.take(SpeechStarted())
    drive.take(SttPartial(text="about"), after_s=0.2)
    assert drive.path == "LISTENING.hearing"


def test_sound_without_words_is_borne_for_so_long_and_then_ignored() -> None:
    drive = speaking(audio_s=20.0)
    drive.take(SpeechStarted())
    drive.wait(Policy().interrupt_max_s + 0.01)
    assert drive.chart.state == "SPEAKING"


def test_an_uninterruptible_answer_is_not_even_ducked() -> None:
    drive = speaking(Policy(interruptible=False, speculation="off", adaptive_end_of_turn=False))
    drive.take(SpeechStarted())
    drive.take(SttFinal(text="stop it please"), after_s=0.5)
    assert drive.chart.state == "SPEAKING"
    assert actions(drive) == []


def test_the_detector_alone_may_not_pause_while_echo_settles() -> None:
    drive = speaking(Policy(echo_warmup_s=3.0, speculation="off", adaptive_end_of_turn=False), heard_s=0.5)
    drive.take(SpeechStarted())
    drive.wait(1.0)
    assert drive.path == "INTERRUPT.ducked"
    drive.wait(1.5)
    assert drive.path == "INTERRUPT.paused"


def test_a_client_that_notices_the_voice_itself_ducks_too() -> None:
    drive = speaking()
    drive.take(BargeIn())
    assert drive.path == "INTERRUPT.ducked"
    drive.wait(Policy().false_interruption_s)
    assert drive.chart.state == "SPEAKING"


def test_typed_text_over_the_answer_is_the_next_turn() -> None:
    drive = speaking()
    drive.take(SttFinal(text="stop", origin="typed"))
    assert drive.path == "THINKING.working"
    assert drive.chart.context.turn == 2
    drive.take(SpeechStarted())
    assert drive.path == "THINKING.holding"


def test_typed_text_while_ducked_is_the_next_turn() -> None:
    drive = speaking()
    drive.take(SpeechStarted())
    drive.take(SttFinal(text="stop", origin="typed"))
    assert drive.path == "THINKING.working"
    assert drive.states[-3:] == ["INTERRUPT", "LISTENING", "THINKING"]


def test_the_answer_ends_while_ducked_and_the_words_are_a_turn() -> None:
    drive = speaking(audio_s=1.5, heard_s=2.7)
    drive.take(SpeechStarted())
    drive.take(PlaybackDone(turn=1), after_s=0.2)
    assert drive.path == "LISTENING.hearing"
    assert [effect.interrupted for effect in drive.effects if isinstance(effect, TurnEnded)] == [False]


def test_what_was_heard_is_estimated_when_no_report_comes() -> None:
    drive = answered(asked(Drive()), "Once there was a fox.", "It lived in a wood.", audio_s=5.0)
    drive.wait(5.0)
    drive.take(SpeechStarted())
    drive.take(SttPartial(text="stop"), after_s=0.5)
    assert not drive.asked(TurnEnded)
    drive.wait(Policy().heard_wait_s)
    assert [effect.heard_text for effect in drive.effects if isinstance(effect, TurnEnded)] == ["Once there was a fox."]


def test_what_the_client_last_confirmed_counts_when_no_last_report_comes() -> None:
    drive = speaking()
    drive.take(PlaybackProgress(turn=1, played_s=2.5))
    drive.take(SpeechStarted(), after_s=1.0)
    drive.take(SttPartial(text="stop"), after_s=0.5)
    drive.wait(Policy().heard_wait_s)
    assert [effect.heard_text for effect in drive.effects if isinstance(effect, TurnEnded)] == ["Once there"]


@pytest.mark.parametrize(
    ("sentence_ms", "heard"), [(8000.0, "Once upon a time"), (0.0, "Once upon a time there was a")]
)
def test_a_sentence_cut_before_all_of_it_was_sent_is_measured_by_the_whole(sentence_ms: float, heard: str) -> None:
    drive = asked(Drive())
    drive.take(IntentDetected(intent="question", turn=1))
    text = "Once upon a time there was a fox who lived at the edge of a wood."
    drive.take(RagAnswerReady(text=text, is_final=True, turn=1, source="fox.md"))
    chunk = TtsChunkReady(turn=1, audio_ms=2800, request_id="1.answer.1", sentence_ms=sentence_ms)
    drive.take(chunk, after_s=0.1)
    drive.take(SpeechStarted(), after_s=1.5)
    drive.take(SttPartial(text="stop"), after_s=0.5)
    drive.take(PlaybackDone(turn=1, played_s=2.0))
    assert [effect.heard_text for effect in drive.effects if isinstance(effect, TurnEnded)] == [heard]


def test_what_is_repeated_after_a_cut_is_what_the_client_reports_and_waits_for_it() -> None:
    drive = speaking()
    drive.take(SttFinal(text="what did you say", origin="typed"))
    drive.take(IntentDetected(intent="repeat", turn=2), after_s=0.003)
    assert [effect.text for effect in drive.effects if isinstance(effect, Speak) and effect.turn == 2] == []
    drive.take(PlaybackDone(turn=1, played_s=1.7), after_s=0.003)
    heard = [effect.heard_text for effect in drive.effects if isinstance(effect, TurnEnded)]
    assert [effect.text for effect in drive.effects if isinstance(effect, Speak) and effect.turn == 2] == heard
    assert heard != [""]


def test_without_a_report_what_is_known_to_be_heard_is_repeated() -> None:
    drive = speaking()
    drive.take(PlaybackProgress(turn=1, played_s=1.7))
    drive.take(SttFinal(text="what did you say", origin="typed"))
    drive.take(IntentDetected(intent="repeat", turn=2))
    drive.wait(Policy().heard_wait_s)
    heard = [effect.heard_text for effect in drive.effects if isinstance(effect, TurnEnded)]
    assert [effect.text for effect in drive.effects if isinstance(effect, Speak) and effect.turn == 2] == heard


def test_an_answer_cut_before_its_first_sample_was_not_heard() -> None:
    drive = asked(Drive())
    drive.take(IntentDetected(intent="question", turn=1))
    drive.take(RagAnswerReady(text="One.", is_final=True, turn=1, source="a.md"))
    drive.take(SpeechStarted())
    drive.take(SttPartial(text="and two"), after_s=0.3)
    assert Withdrawn(1) in drive.effects
    assert "stop" not in actions(drive)
    assert drive.asked(TurnEnded) == [TurnEnded(1, "how old is the bridge", "One.", "", False, True)]


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


def test_a_client_that_vanishes_is_waited_for_and_everything_stands_still() -> None:
    drive = speaking()
    drive.take(Disconnected())
    assert actions(drive) == ["pause"]
    drive.wait(Policy().resume_s - 1)
    assert drive.chart.state == "SPEAKING"
    drive.take(Connected())
    assert actions(drive) == ["pause", "resume"]
    drive.take(PlaybackDone(turn=1), after_s=8.0)
    assert drive.path == "LISTENING.quiet"


def test_a_client_that_does_not_come_back_ends_the_session() -> None:
    drive = speaking()
    drive.take(Disconnected())
    drive.wait(Policy().resume_s + 0.01)
    assert drive.path == "IDLE.ended"
    assert not drive.timers


def test_hanging_up_ends_everything() -> None:
    drive = speaking()
    drive.take(SessionEnded(reason="hangup"))
    assert drive.path == "IDLE.ended"
    assert actions(drive) == ["stop"]
    assert not drive.timers


def test_words_that_are_known_when_the_caller_hangs_up_are_written_down() -> None:
    drive = Drive()
    drive.take(Connected())
    drive.take(SpeechStarted(), after_s=0.5)
    drive.take(SpeechStopped(silence_s=0.16), after_s=1.0)
    drive.take(SttFinal(text="never mind"), after_s=0.1)
    drive.take(SessionEnded(reason="hangup"))
    assert drive.asked(TurnEnded) == [TurnEnded(1, "never mind", "", "", False, False)]


def test_words_that_are_known_only_after_hanging_up_are_written_down_too() -> None:
    drive = speaking()
    drive.take(SpeechStarted())
    drive.take(SessionEnded(reason="hangup"), after_s=0.3)
    drive.take(SttFinal(text=""), after_s=0.1)
    drive.take(SttFinal(text="goodbye then"), after_s=0.1)
    assert drive.asked(TurnEnded)[-1] == TurnEnded(2, "goodbye then", "", "", False, False)
    assert drive.path == "IDLE.ended"


def test_twenty_barge_ins_later_a_clean_turn_is_answered() -> None:
    drive = speaking()
    for number in range(20):
        drive.take(SpeechStarted(), after_s=0.2)
        drive.take(SttPartial(text="wait"), after_s=0.2 + number / 50)
        drive.take(SpeechStopped(silence_s=0.16), after_s=0.2)
        drive.take(SttFinal(text="wait"), after_s=0.1)
        drive.wait(0.5)
        answered(drive, "All right.", audio_s=3.0)
    turn = drive.chart.context.turn
    drive.take(PlaybackDone(turn=turn), after_s=3.0)
    answered(asked(drive, "how old is it"), "It opened in 1883.")
    assert drive.chart.state == "SPEAKING"


@pytest.mark.parametrize("heard", ["MMM.", "Oh.", "Yeah, yeah.", "Right. I see.", "Ha ha!", "Mm-hmm"])
def test_backchannels_are_known_however_they_are_spelt(heard: str) -> None:
    drive = speaking()
    drive.take(SpeechStarted())
    drive.take(SttPartial(text=heard, confidence=0.9), after_s=0.3)
    drive.take(SpeechStopped(silence_s=0.16), after_s=0.2)
    drive.take(SttFinal(text=heard, confidence=0.9), after_s=0.1)
    assert drive.chart.state == "SPEAKING"
    assert actions(drive)[-1] == "resume"


@pytest.mark.parametrize(
    ("heard", "confidence", "path"),
    [
        ("go", 0.25, "SPEAKING.draining"),
        ("go", 0.35, "LISTENING.settling"),
        ("go", 0.0, "LISTENING.settling"),  # whoever gives no confidence has judged
        ("go and find it please", 0.25, "LISTENING.settling"),
    ],
)
def test_a_few_doubtful_words_are_a_cough(heard: str, confidence: float, path: str) -> None:
    drive = speaking()
    drive.take(SpeechStarted())
    drive.take(SpeechStopped(silence_s=0.16), after_s=0.3)
    drive.take(SttFinal(text=heard, confidence=confidence), after_s=0.1)
    assert drive.path == path


def test_doubtful_words_over_our_answer_do_not_begin_the_next_turn() -> None:
    drive = speaking()
    drive.take(SpeechStarted())
    drive.take(SpeechStopped(silence_s=0.16), after_s=0.3)
    drive.take(SttFinal(text="and", confidence=0.2), after_s=0.1)
    drive.take(SpeechStarted(), after_s=0.5)
    drive.take(SttPartial(text="what else", confidence=0.8), after_s=0.5)
    assert drive.chart.context.carried == ""


def echoing(heard_s: float = 2.0) -> Drive:
    """A caller whose client does not cancel our echo listens to our answer."""
    drive = Drive()
    drive.take(Connected())
    drive.take(MicOpened(echo_cancellation=False))
    answered(asked(drive), "Once there was a fox.", "It lived in a wood.", audio_s=5.0)
    drive.take(PlaybackStarted(turn=1, played_s=0.0))
    drive.wait(heard_s)
    return drive


def test_where_our_echo_comes_back_a_voice_alone_only_ducks() -> None:
    drive = echoing()
    assert GuardEcho(on=True) in drive.effects
    drive.take(SpeechStarted())
    drive.wait(2.0)
    assert drive.path == "INTERRUPT.ducked"
    assert actions(drive) == ["duck"]


@pytest.mark.parametrize("heard", ["there was a fox", "stop", "Once there was a box."])
def test_where_our_echo_comes_back_our_own_words_and_single_ones_stop_nothing(heard: str) -> None:
    drive = echoing()
    drive.take(SpeechStarted())
    drive.take(SttPartial(text=heard, confidence=0.9), after_s=0.5)
    drive.take(SpeechStopped(silence_s=0.16), after_s=0.3)
    drive.take(SttFinal(text=heard, confidence=0.9), after_s=0.1)
    assert drive.chart.state == "SPEAKING"


def test_where_our_echo_comes_back_other_words_stop_the_answer_and_are_the_turn_without_ours() -> None:
    drive = echoing()
    drive.take(SpeechStarted())
    drive.take(SttPartial(text="there was a fox please tell me more", confidence=0.9), after_s=0.8)
    assert drive.path == "LISTENING.hearing"
    drive.take(PlaybackDone(turn=1, played_s=2.8))
    drive.take(SpeechStopped(silence_s=0.16), after_s=0.3)
    drive.take(SttFinal(text="there was a fox please tell me more", confidence=0.9), after_s=0.1)
    drive.wait(0.5)
    assert drive.chart.context.user_text == "please tell me more"


def test_echo_after_the_end_of_the_answer_is_no_turn() -> None:
    drive = echoing()
    drive.take(SpeechStarted())
    drive.take(PlaybackDone(turn=1), after_s=3.0)
    drive.take(SpeechStopped(silence_s=0.16), after_s=0.3)
    drive.take(SttFinal(text="lived in a wood", confidence=0.9), after_s=0.1)
    drive.wait(1.0)
    assert drive.path == "LISTENING.quiet"


def test_a_headset_with_a_canceller_ends_the_caution() -> None:
    drive = echoing()
    drive.take(MicOpened(echo_cancellation=True))
    drive.take(SpeechStarted())
    drive.wait(Policy().barge_in_speech_s)
    assert drive.path == "INTERRUPT.paused"
    assert drive.effects.count(GuardEcho(on=False)) == 1


def test_a_backchannel_after_our_answer_is_a_turn() -> None:
    drive = speaking(heard_s=1.0)
    drive.take(PlaybackDone(turn=1), after_s=4.5)
    drive.take(SpeechStarted(), after_s=0.5)
    drive.take(SpeechStopped(silence_s=0.16), after_s=0.5)
    drive.take(SttFinal(text="Yeah.", confidence=0.6), after_s=0.1)
    drive.wait(0.5)
    assert drive.path == "THINKING.working"
    assert drive.chart.context.user_text == "Yeah."
