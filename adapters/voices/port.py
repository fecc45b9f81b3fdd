"""The voice: text in, speech out, piece by piece."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple, Protocol

from msgspec import Struct

from statecharts.events import VoicechartError

__all__ = ["SpeechPiece", "SpokenWord", "Voice", "VoiceFailed"]


class VoiceFailed(VoicechartError):
    """This voice could not speak the text; another may."""


class SpokenWord(NamedTuple):
    """Where a word ends: in the text, and in the speech of it."""

    chars: int
    """Characters of the text up to its end."""
    seconds: float
    """Seconds of the text's speech, from its first sample, up to its end."""


class SpeechPiece(Struct, frozen=True, kw_only=True):
    """The next piece of a synthesised sentence."""

    pcm: bytes
    """s16le mono, never empty; pieces join without gaps."""
    rate_hz: int
    words: tuple[SpokenWord, ...] = ()
    """Words whose end is known from this piece on, in order; none ever, if this voice cannot tell."""


class Voice(Protocol):
    """A loaded voice; one serves all calls, on threads of its own."""

    @property
    def name(self) -> str: ...

    def synthesise(self, text: str, *, deadline: float = 0.0) -> AsyncIterator[SpeechPiece]:
        """Yield the speech of `text` in pieces of at most a second.

        Args:
            text: One sentence or clause. White space and symbols alone yield nothing.
            deadline: Event-loop time by which the first piece is wanted; the earliest is served first.

        Raises:
            VoiceFailed: Nothing, or not all, could be spoken.
        """

    def close(self) -> None:
        """Stop its threads."""
