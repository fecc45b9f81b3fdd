"""The client vanishes, comes back, or hangs up."""

from __future__ import annotations

from statecharts.effects import TurnEnded
from statecharts.events import (
    Connected,
    Disconnected,
    PlaybackDone,
    SessionEnded,
    SpeechStarted,
    SpeechStopped,
    SttFinal,
)
from statecharts.policy import Policy
from tests.charts.driver import Drive, actions, speaking


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
