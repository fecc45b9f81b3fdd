"""What was heard of an answer that was cut, and what is said again of it."""

from __future__ import annotations

import pytest

from statecharts.effects import Speak, TurnEnded, Withdrawn
from statecharts.events import (
    IntentDetected,
    PlaybackDone,
    PlaybackProgress,
    RagAnswerReady,
    SpeechStarted,
    SttFinal,
    SttPartial,
    TtsChunkReady,
)
from statecharts.policy import Policy
from tests.charts.driver import Drive, actions, answered, asked, speaking


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
