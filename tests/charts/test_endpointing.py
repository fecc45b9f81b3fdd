"""How long a silence ends a turn: graded by the words, learnt from the caller, and never a cliff."""

from __future__ import annotations

import pytest

from statecharts.endpointing import grade, learnt
from statecharts.events import Connected, SpeechStarted, SpeechStopped, SttFinal, SttPartial
from statecharts.policy import Policy
from tests.charts.driver import Drive

POLICY = Policy(speculation="off")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("How old is the bridge?", 0.2),
        ("Tell me about the bridge.", 0.2),
        ("What is it for?", 0.2),
        ("Stop!", 0.2),
        ("tell me about the bridge", 0.4),
        ("I would like to know about the", 0.9),
        ("I would like to know about...", 0.9),
        ("Well, um", 0.9),
        ("It is the first one and.", 0.9),
        ("First of all,", 0.9),
        ("My number is 555 12", 0.9),
        ("zero one seven", 0.9),
        ("There are two.", 0.2),
        ("It opened in 1883.", 0.2),
        ("", 0.4),
    ],
)
def test_the_words_grade_the_silence(text: str, seconds: float) -> None:
    assert grade(text, POLICY, 0.0) == seconds


def test_without_grading_the_silence_is_always_the_same() -> None:
    policy = Policy(adaptive_end_of_turn=False)
    assert {grade(text, policy, 0.7) for text in ("Well, um", "Stop!", "", "and")} == {policy.end_of_turn_s}


def test_a_pause_inside_a_turn_counts_half_and_stays_within_bounds() -> None:
    assert learnt(0.4, POLICY, 0.3) == pytest.approx(0.35)
    assert learnt(0.1, POLICY, 0.3) == pytest.approx(0.3), "a short pause teaches no haste"
    least_s = 0.0
    for _ in range(20):
        least_s = learnt(1.9, POLICY, least_s)
    assert least_s == POLICY.end_of_turn_max_s


def _said(drive: Drive, text: str, final_after_s: float = 0.1) -> Drive:
    drive.take(SpeechStarted(), after_s=0.5)
    drive.take(SpeechStopped(silence_s=0.16), after_s=1.0)
    drive.take(SttFinal(text=text), after_s=final_after_s)
    return drive


def _connected() -> Drive:
    drive = Drive(POLICY)
    drive.take(Connected())
    return drive


def test_a_finished_question_ends_the_turn_as_soon_as_its_words_are_known() -> None:
    drive = _said(_connected(), "How old is the bridge?")
    drive.wait(0.0)
    assert drive.path == "THINKING.working", "0.26 s of silence are more than 0.2 s"


def test_an_unfinished_phrase_is_waited_for() -> None:
    drive = _said(_connected(), "Tell me about the")
    drive.wait(0.6)
    assert drive.path == "LISTENING.settling"
    drive.wait(0.1)
    assert drive.path == "THINKING.working"


def test_words_that_come_late_end_a_silence_that_is_long_enough() -> None:
    drive = _said(_connected(), "How old is the bridge?", final_after_s=0.5)
    drive.wait(0.0)
    assert drive.path == "THINKING.working"


def test_a_caller_with_long_pauses_is_given_more_time() -> None:
    drive = _said(_connected(), "Tell me about", final_after_s=0.1)
    drive.take(SpeechStarted(), after_s=0.44)  # 0.7 s after the voice ended
    drive.take(SpeechStopped(silence_s=0.16), after_s=1.0)
    drive.take(SttFinal(text="Tell me about the bridge."), after_s=0.1)
    assert drive.chart.context.least_wait_s == pytest.approx(0.45)
    drive.wait(0.1)
    assert drive.path == "LISTENING.settling"
    drive.wait(0.1)
    assert drive.path == "THINKING.working"


def test_going_on_after_an_early_end_takes_the_turn_back_and_is_learnt() -> None:
    drive = _said(_connected(), "Tell me more.")
    drive.wait(0.0)
    drive.take(SpeechStarted(), after_s=0.3)
    drive.wait(POLICY.barge_in_speech_s)
    assert drive.path == "LISTENING.hearing"
    assert drive.chart.context.least_wait_s == pytest.approx(0.38)


@pytest.mark.parametrize("stopped", [False, True])
def test_words_that_take_the_turn_back_teach_the_same(stopped: bool) -> None:
    drive = _said(_connected(), "Tell me more.")
    drive.wait(0.0)
    drive.take(SpeechStarted(), after_s=0.3)
    if stopped:
        drive.take(SpeechStopped(silence_s=0.16), after_s=0.1)
    drive.take(SttPartial(text="about the bridge"), after_s=0.1)
    assert drive.chart.state == "LISTENING"
    assert drive.chart.context.least_wait_s == pytest.approx(0.38)
