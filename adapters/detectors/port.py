"""The voice detector: how likely is it that this short piece of audio is a voice?"""

from __future__ import annotations

from typing import Protocol

__all__ = ["CHUNK_SAMPLES", "SAMPLE_RATE_HZ", "Detector", "VoiceStream"]

SAMPLE_RATE_HZ = 16_000
CHUNK_SAMPLES = 512
"""Samples per judgement, 32 ms: what Silero's 16 kHz model takes."""


class VoiceStream(Protocol):
    """The detector's memory of one microphone."""

    def probability(self, chunk: bytes) -> float:
        """Return the probability, 0 to 1, that the next `CHUNK_SAMPLES` samples (PCM s16le, 16 kHz mono) hold a voice.

        Raises:
            ValueError: The chunk is not exactly that long.
        """

    def reset(self) -> None:
        """Forget what was heard."""


class Detector(Protocol):
    """A loaded model; one serves all calls."""

    def stream(self) -> VoiceStream:
        """Begin to listen to one microphone."""
