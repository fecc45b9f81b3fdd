"""Small real implementations over memory, for tests that are about something else."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence

import numpy as np

from adapters.detectors.port import CHUNK_SAMPLES
from adapters.media.port import SpokenChunk
from adapters.recognisers.port import Recognised, RecogniserFailed
from adapters.voices.port import SpeechPiece, SpokenWord, VoiceFailed
from statecharts.effects import PlayoutAction

__all__ = ["LoudnessDetector", "QuietAlarm", "RecordingLeg", "ScriptedRecogniser", "ToneVoice", "quiet", "sound"]

RATE_HZ = 16_000


def sound(seconds: float) -> bytes:
    """Return a loud tone (s16le, 16 kHz mono)."""
    at = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (np.sin(2 * np.pi * 220 * at) * 8000).astype("<i2").tobytes()


def quiet(seconds: float) -> bytes:
    """Return silence (s16le, 16 kHz mono)."""
    return bytes(round(seconds * RATE_HZ) * 2)


class QuietAlarm:
    """Notes what it is told; `over_ours` and `wary` are as set."""

    def __init__(self) -> None:
        self.over_ours = self.wary = False
        self.signs = 0
        self.voices: list[bool] = []

    def sign(self, heard_at: float) -> None:
        self.signs += 1

    def voice(self, on: bool, heard_at: float) -> None:
        self.voices.append(on)


class LoudnessDetector:
    """Takes every loud chunk for a voice."""

    def stream(self) -> LoudnessDetector:
        return self

    def probability(self, chunk: bytes) -> float:
        samples = np.frombuffer(chunk, "<i2").astype(np.float64)
        if len(samples) != CHUNK_SAMPLES:
            raise ValueError(f"a chunk has {CHUNK_SAMPLES} samples, this one {len(samples)}")
        return float(np.sqrt(np.mean(samples**2)) > 500)

    def reset(self) -> None:
        """It remembers nothing."""


class ScriptedRecogniser:
    """Gives one text after the other; the last one again and again.

    Args:
        texts: What is recognised, call by call.
        takes_s: How long each call takes.
    """

    def __init__(self, texts: Sequence[str], takes_s: float = 0.0) -> None:
        self._texts = list(texts)
        self._takes_s = takes_s
        self.heard: list[bytes] = []
        self.drafts = 0
        """How many of the next results are drafts."""
        self.failures = 0
        """How many of the next calls fail."""
        self.told_s = takes_s
        """How long a call says that it took."""

    async def recognise(self, pcm: bytes, *, deadline: float = 0.0) -> Recognised:
        self.heard.append(pcm)
        text = self._texts.pop(0) if len(self._texts) > 1 else self._texts[0]
        await asyncio.sleep(self._takes_s)
        if self.failures:
            self.failures -= 1
            raise RecogniserFailed("as asked for")
        draft, self.drafts = self.drafts > 0, max(0, self.drafts - 1)
        audio_s = len(pcm) / 2 / RATE_HZ
        return Recognised(text=text, confidence=0.9, audio_s=audio_s, took_s=self.told_s, draft=draft)

    def close(self) -> None:
        """It holds nothing."""


class ToneVoice:
    """Speaks every word as a tone of a tenth of a second; "broken" cannot be spoken.

    Args:
        free: When it may begin; by default at once.
    """

    name = "tone"

    def __init__(self, free: asyncio.Event | None = None) -> None:
        self._free = free
        self.asked: list[str] = []

    async def synthesise(self, text: str, *, deadline: float = 0.0) -> AsyncIterator[SpeechPiece]:
        self.asked.append(text)
        if self._free is not None:
            await self._free.wait()
        if "broken" in text:
            raise VoiceFailed(f"cannot say {text!r}")
        for number, word in enumerate(re.finditer(r"\S+", text), 1):
            await asyncio.sleep(0)
            yield SpeechPiece(pcm=sound(0.1), rate_hz=RATE_HZ, words=(SpokenWord(word.end(), number / 10),))

    def close(self) -> None:
        """It holds nothing."""


class RecordingLeg:
    """Keeps what it is given to play."""

    transport = "memory"

    def __init__(self) -> None:
        self.played: list[SpokenChunk] = []
        self.steered: list[tuple[PlayoutAction, int]] = []
        self._microphone: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.arrived = asyncio.Event()

    @property
    def audio_s(self) -> float:
        """Seconds of audio played so far."""
        return sum(len(chunk.pcm) / 2 / chunk.rate_hz for chunk in self.played)

    def feed(self, pcm: bytes) -> None:
        self._microphone.put_nowait(pcm)

    async def microphone(self) -> AsyncIterator[bytes]:
        while (pcm := await self._microphone.get()) is not None:
            yield pcm

    async def play(self, chunk: SpokenChunk) -> None:
        self.played.append(chunk)
        self.arrived.set()

    async def playout(self, action: PlayoutAction, turn: int) -> None:
        self.steered.append((action, turn))

    def buffered_s(self) -> float:
        return 0.0

    async def close(self) -> None:
        self._microphone.put_nowait(None)
