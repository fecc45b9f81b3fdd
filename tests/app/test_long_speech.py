"""Speech of half a minute and more, heard by the real models: every word is there, once and in order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest

from adapters.detectors.silero import SileroDetector
from adapters.recognisers.whisper import WhisperRecogniser
from app.bench.word_errors import word_errors
from app.gateway.ear import Ear
from app.gateway.voice_activity import ChunkedActivity
from statecharts.events import Event, SttFinal
from statecharts.policy import Policy
from tests.fakes import QuietAlarm
from tests.speech import load

pytestmark = pytest.mark.real

CLIPS = {
    "sb_spk1_snt3.wav": "At that high level the air is pure.",
    "ask_interrupt.wav": "How do I interrupt you?",
    "sb_spk1_snt5.wav": "Sunday is the best part of the week.",
    "ask_what_can_you_do.wav": "What can you do?",
    "ask_states.wav": "What are your states?",
}
TIMES = 4
RATE_HZ = 16_000
STEP = 160
"""Samples that are kept or left out together, 10 ms."""


@pytest.fixture(scope="module")
def recogniser() -> Iterator[WhisperRecogniser]:
    made = WhisperRecogniser()
    yield made
    made.close()


def voice_of(clip: str, longest_pause_s: float) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """Return a clip, equally loud, without more silence than so much at a time."""
    samples = np.frombuffer(load(clip), "<i2").astype(np.float64)
    samples *= 20_000 / np.abs(samples).max()
    steps = samples[: len(samples) // STEP * STEP].reshape(-1, STEP)
    loud = np.sqrt(np.square(steps).mean(axis=1)) > 200
    kept, quiet_for = [], 0
    for step, is_loud in zip(steps, loud, strict=True):
        quiet_for = 0 if is_loud else quiet_for + STEP
        if quiet_for <= longest_pause_s * RATE_HZ:
            kept.append(step)
    return np.concatenate(kept).astype("<i2")


@pytest.mark.parametrize("pause_s", [0.3, 0.02])
async def test_every_word_of_a_monologue_is_recognised_once(recogniser: WhisperRecogniser, pause_s: float) -> None:
    pause = np.zeros(round(pause_s * RATE_HZ), "<i2")
    parts = [part for clip in CLIPS for part in (voice_of(clip, min(pause_s, 0.1)), pause)] * TIMES
    audio = bytes(RATE_HZ) + np.concatenate(parts).tobytes() + bytes(RATE_HZ)
    assert len(audio) / 2 / RATE_HZ > 30
    events: list[Event] = []
    policy = Policy(partial_every_s=99)
    activity = ChunkedActivity(SileroDetector().stream, policy.settle_s)
    ear = Ear(activity, recogniser, policy, lambda event, _: events.append(event), QuietAlarm())
    for start in range(0, len(audio), 640):
        ear.hear(audio[start : start + 640])
        await asyncio.sleep(0)
    pieces = len(ear._utterance._pieces)
    await ear.finish(60.0)
    said = " ".join([*CLIPS.values()] * TIMES)
    heard = [event.text for event in events if isinstance(event, SttFinal)][-1]
    assert pieces >= 2
    assert word_errors(said, heard) <= 3
