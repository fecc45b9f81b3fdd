"""Our own voice comes back in the microphone while we speak."""

from __future__ import annotations

import pytest

from statecharts.effects import GuardEcho
from statecharts.events import (
    Connected,
    MicOpened,
    PlaybackDone,
    PlaybackStarted,
    SpeechStarted,
    SpeechStopped,
    SttFinal,
    SttPartial,
)
from statecharts.policy import Policy
from tests.charts.driver import Drive, actions, answered, asked


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
