"""Wakes those whom a change concerns, in the same event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

__all__ = ["Bell"]


class Bell:
    """Waiting costs a future and a timer, ringing one call for each that is concerned: less than a condition does."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[None], Collection[object]] = {}

    async def wait(self, timeout_s: float, about: Collection[object]) -> None:
        """Return when it rings about one of these, or after so long."""
        loop = asyncio.get_running_loop()
        rung: asyncio.Future[None] = loop.create_future()
        self._waiting[rung] = about
        timer = loop.call_later(timeout_s, _wake, rung)
        try:
            await rung
        finally:
            timer.cancel()
            self._waiting.pop(rung, None)

    def ring(self, about: object) -> None:
        """Wake all that wait for news about this now."""
        for rung in [rung for rung, wanted in self._waiting.items() if about in wanted]:
            del self._waiting[rung]
            _wake(rung)

    def ring_all(self) -> None:
        """Wake all that wait now."""
        for rung in list(self._waiting):
            _wake(rung)


def _wake(rung: asyncio.Future[None]) -> None:
    if not rung.done():
        rung.set_result(None)
