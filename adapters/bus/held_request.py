"""One request in one worker's hands, whichever bus it came by."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from adapters.bus.codec import dead_letter
from statecharts.events import Envelope

__all__ = ["MIN_IDLE_S", "Hands", "HeldRequest"]

MIN_IDLE_S = 0.6
"""A request whose worker gives no sign of life for so long is handed to another; it gives one three times as often."""

Place = TypeVar("Place")
_Place = TypeVar("_Place", contravariant=True)


class Hands(Protocol[_Place]):
    """A worker's subscription, as its requests need it; a place tells the bus which of them is meant."""

    async def settle(self, place: _Place) -> None:
        """A request is done with."""

    async def give_back(self, place: _Place, attempts: int, delay_s: float) -> None:
        """A request may be handed out again after a while."""

    async def put_aside(self, place: _Place, letter: Envelope) -> None:
        """A request is done with and kept for a person, unless somebody else is done with it already."""


class HeldRequest(Generic[Place]):
    """A `TaskDelivery`.

    Args:
        hands: Whose it is.
        place: Which request it is.
        envelope: The request.
        attempts: How often it was handed out, this time included.
        clock: Tells the Unix time.
    """

    def __init__(
        self, hands: Hands[Place], place: Place, envelope: Envelope, attempts: int,
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._hands = hands
        self._place = place
        self._envelope = envelope
        self._attempts = attempts
        self._clock = clock

    @property
    def envelope(self) -> Envelope:
        return self._envelope

    @property
    def attempts(self) -> int:
        return self._attempts

    async def ack(self) -> None:
        await self._hands.settle(self._place)

    async def nack(self, delay_s: float) -> None:
        await self._hands.give_back(self._place, self._attempts, delay_s)

    async def dead_letter(self, error: str) -> Envelope:
        letter = dead_letter(self._envelope, error, self._attempts, self._clock())
        await self._hands.put_aside(self._place, letter)
        return letter
