"""The caller makes a sound over us."""

from __future__ import annotations

import pytest

from statecharts.effects import CancelSpeech, TurnEnded
from statecharts.events import (
    BargeIn,
    PlaybackDone,
    SpeechStarted,
    SpeechStopped,
    SttFinal,
    SttPartial,
)
from statecharts.policy import Policy
from tests.charts.driver import Drive, actions, answered, asked, speaking


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


def test_a_backchannel_after_our_answer_is_a_turn() -> None:
    drive = speaking(heard_s=1.0)
    drive.take(PlaybackDone(turn=1), after_s=4.5)
    drive.take(SpeechStarted(), after_s=0.5)
    drive.take(SpeechStopped(silence_s=0.16), after_s=0.5)
    drive.take(SttFinal(text="Yeah.", confidence=0.6), after_s=0.1)
    drive.wait(0.5)
    assert drive.path == "THINKING.working"
    assert drive.chart.context.user_text == "Yeah."
