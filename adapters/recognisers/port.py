"""The recogniser: what was said in this utterance?"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from statecharts.events import VoicechartError

__all__ = ["Overloaded", "Recognised", "Recogniser", "RecogniserFailed"]


class RecogniserFailed(VoicechartError):
    """The recogniser could not do its work; the message says why."""


class Overloaded(VoicechartError):
    """More utterances wait than can be recognised in time."""


class Recognised(Struct, frozen=True, kw_only=True):
    """The words of an utterance."""

    text: str
    """Empty if there were none."""
    confidence: float
    """exp of the mean token log-probability, 0 to 1."""
    audio_s: float
    took_s: float
    draft: bool = False
    """A first guess of an utterance: who asks again with the same audio gets better words."""


class Recogniser(Protocol):
    """A loaded model; one serves all calls, on threads of its own."""

    async def recognise(self, pcm: bytes, *, deadline: float = 0.0) -> Recognised:
        """Return the words in `pcm` (s16le, 16 kHz mono, any length).

        Args:
            pcm: The utterance, or a growing prefix of it.
            deadline: Event-loop time by which the answer is wanted; the queue serves the earliest first.

        Raises:
            Overloaded: The queue is full.
            RecogniserFailed: The model failed.
        """

    def close(self) -> None:
        """Stop its threads."""
