"""Where a caller's voice begins and ends: the detector's judgements of short chunks, made into edges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from msgspec import Struct

from adapters.detectors.port import CHUNK_SAMPLES, SAMPLE_RATE_HZ, VoiceStream

__all__ = ["ONSET_CHUNKS", "ChunkedActivity", "Edge", "Heard", "VoiceActivity"]

CHUNK_BYTES = CHUNK_SAMPLES * 2
CHUNK_S = CHUNK_SAMPLES / SAMPLE_RATE_HZ
VOICE_ON = 0.5
"""Probability from which a chunk is a voice: the detector's own default."""
VOICE_OFF = 0.35
"""Probability below which it is none any more: the detector's own default hysteresis."""
ONSET_CHUNKS = 2
"""Chunks of voice before it is believed, 64 ms: one alone is often a click, three cost 32 ms of every barge-in."""
HOP_BYTES = CHUNK_BYTES // 2
"""How often a first sign is looked for: every 16 ms, by two detectors half a chunk apart. At the beginning of 22 clean
recordings, in every phase, one such chunk comes 28 ms after the onset (p95 64), two in a row of one detector 72 ms (p95
131). Clicks, knocks, breath, hiss and rustling gave none."""


class Edge(Struct, frozen=True):
    """A voice has begun or has ended."""

    voice: bool
    """True: it has begun."""
    since_s: float
    """Audio since that moment, the piece that showed it included, in seconds."""


class Heard(Struct, frozen=True):
    """The next piece of the microphone's audio, judged."""

    pcm: bytes
    voiced: bool
    """It may be part of a voice."""
    edge: Edge | None = None
    pause_s: float = 0.0
    """How long a voice that still counts as on has been silent, this piece included, in seconds."""


class VoiceActivity(Protocol):
    """The edges of the voice on one microphone."""

    def hear(self, pcm: bytes) -> Iterator[Heard]:
        """Take the next audio (s16le, 16 kHz mono, any even length); yield what can be judged now, in order."""

    def noticed(self, pcm: bytes, *, anew: bool) -> bool:
        """Take the same audio while a voice has to be noticed at once; return whether there is a first sign of one.

        Args:
            pcm: The next audio.
            anew: Whether what came before was not given.
        """


class ChunkedActivity:
    """Edges from a detector that judges chunk by chunk.

    Args:
        listen: Begins to listen to this microphone with the detector.
        settle_s: Silence after which a voice counts as ended.
    """

    def __init__(self, listen: Callable[[], VoiceStream], settle_s: float) -> None:
        self._voice = listen()
        self._first_sign = _FirstSign(listen)
        self._settle_s = settle_s
        self._rest = b""
        self._voice_on = False
        self._run = 0
        """Chunks in a row that speak for a change."""

    def hear(self, pcm: bytes) -> Iterator[Heard]:
        """Judge every chunk that is whole."""
        self._rest += pcm
        while len(self._rest) >= CHUNK_BYTES:
            chunk, self._rest = self._rest[:CHUNK_BYTES], self._rest[CHUNK_BYTES:]
            probability = self._voice.probability(chunk)
            edge = self._edge(probability)
            yield Heard(chunk, probability >= VOICE_OFF, edge, self._run * CHUNK_S if self._voice_on else 0.0)

    def noticed(self, pcm: bytes, *, anew: bool) -> bool:
        """Judge every half of a chunk."""
        if anew:
            self._first_sign.forget()
        return self._first_sign.hear(pcm)

    def _edge(self, probability: float) -> Edge | None:
        changing = probability < VOICE_OFF if self._voice_on else probability >= VOICE_ON
        self._run = self._run + 1 if changing else 0
        since_s = self._run * CHUNK_S
        enough = since_s >= self._settle_s if self._voice_on else self._run >= ONSET_CHUNKS
        if not (changing and enough):
            return None
        self._voice_on, self._run = not self._voice_on, 0
        return Edge(self._voice_on, since_s)


class _FirstSign:
    """Two detectors half a chunk apart."""

    def __init__(self, listen: Callable[[], VoiceStream]) -> None:
        self._listen = listen
        self._voices: list[VoiceStream] = []
        self._held = b""

    def forget(self) -> None:
        """What was heard is past: a detector that remembers a voice takes the silence after it for one too."""
        self._held = b""
        for voice in self._voices:
            voice.reset()

    def hear(self, pcm: bytes) -> bool:
        """Return whether any chunk that ends in this audio is a voice."""
        if not self._voices:  # most calls are over before they are ever interrupted
            self._voices = [self._listen(), self._listen()]
        self._held += pcm
        found = False
        while len(self._held) >= CHUNK_BYTES:
            chunk, self._held = self._held[:CHUNK_BYTES], self._held[HOP_BYTES:]
            found = self._voices[0].probability(chunk) >= VOICE_ON or found
            self._voices.reverse()
        return found
