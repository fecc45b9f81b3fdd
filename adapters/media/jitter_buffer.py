"""Puts received packets in order while holding back as little as possible."""

from __future__ import annotations

from typing import Generic, TypeVar

__all__ = ["HOLD_PACKETS", "VoiceJitterBuffer"]

HOLD_PACKETS = 2
"""Packets that may wait for a missing one. Two are 40 ms of speech: most swaps are healed, a loss is hardly noticed."""

_MAX_JUMP = 100
"""A sequence number this far off begins the stream anew (RFC 3550, appendix A.1: MAX_MISORDER)."""

_SEQUENCE_NUMBERS = 1 << 16

PacketT = TypeVar("PacketT")


class VoiceJitterBuffer(Generic[PacketT]):
    """Orders packets by sequence number; packets in order pass straight through.

    A missing packet is waited for until `hold` later ones are there, then given up. What follows is drained at once,
    so nothing adds delay for the rest of the call, and no packet that was received in time is lost.

    Args:
        hold: Packets that may wait for a missing one; also the bound of the buffer.
    """

    def __init__(self, hold: int = HOLD_PACKETS) -> None:
        self._hold = hold
        self._next: int | None = None
        self._held: dict[int, PacketT] = {}

    def push(self, sequence_number: int, packet: PacketT) -> list[PacketT]:
        """Take a packet in; return those that are due now, in order.

        Args:
            sequence_number: The RTP sequence number, 0 to 65535; it wraps.
            packet: Anything. One that comes after it was given up, or for the second time, is dropped.
        """
        ahead = 0 if self._next is None else (sequence_number - self._next) % _SEQUENCE_NUMBERS
        if ahead >= _SEQUENCE_NUMBERS - _MAX_JUMP:
            return []
        if self._next is None or ahead >= _MAX_JUMP:
            self._held.clear()
            self._next = sequence_number
        self._held[sequence_number] = packet
        return self._drain(self._next)

    def _drain(self, due: int) -> list[PacketT]:
        ready = []
        while self._held:
            if due not in self._held:
                if len(self._held) < self._hold:
                    break
                start = due
                due = min(self._held, key=lambda number: (number - start) % _SEQUENCE_NUMBERS)
            ready.append(self._held.pop(due))
            due = (due + 1) % _SEQUENCE_NUMBERS
        self._next = due
        return ready
