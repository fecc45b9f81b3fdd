"""What an ear tells of a voice before anybody else knows."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Alarm"]


class Alarm(Protocol):
    """Whoever has to know of a voice at once."""

    @property
    def over_ours(self) -> bool:
        """Whether a voice that begins now is one over ours."""

    @property
    def wary(self) -> bool:
        """Whether the first sign of a voice matters."""

    def sign(self, heard_at: float) -> None:
        """There may be a voice, in audio that came at `heard_at`."""

    def voice(self, on: bool, heard_at: float) -> None:
        """There is a voice, or no more, by audio that came at `heard_at`."""
