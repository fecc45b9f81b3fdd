"""The way of marks and playout messages to the client: in order, and never in the way of the audio."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import msgspec

from adapters.media.port import Mark, MediaLost

__all__ = ["MAX_MARKS", "Outbox", "SendControl"]

MAX_MARKS = 64
"""Marks that may wait to be sent: some twenty turns. A client that takes none of them is gone."""

SendControl: TypeAlias = Callable[[dict[str, object]], Awaitable[None]]


class Outbox:
    """Sends messages one at a time: marks when they can go, others before `send` returns.

    Args:
        send: Sends one message; MediaLost from it gives the client up.
        on_lost: Called with the reason.
    """

    def __init__(self, send: SendControl, on_lost: Callable[[str], None]) -> None:
        self._send = send
        self._on_lost = on_lost
        self._marks: deque[Mark] = deque()
        self._posted = asyncio.Event()
        self._sending = asyncio.Lock()

    def post(self, mark: Mark) -> None:
        """Let a mark wait for its turn; when too many wait, the client is given up."""
        if len(self._marks) == MAX_MARKS:
            self._on_lost(f"the client leaves {MAX_MARKS} marks untaken")
            return
        self._marks.append(mark)
        self._posted.set()

    async def send(self, *messages: dict[str, object]) -> None:
        """Send messages behind the marks posted before them; what the caller sends next comes after."""
        async with self._sending:
            try:
                while self._marks:
                    await self._send({"type": "mark", "payload": msgspec.to_builtins(self._marks.popleft())})
                for message in messages:
                    await self._send(message)
            except MediaLost as lost:
                self._on_lost(str(lost))

    async def deliver_marks(self) -> None:
        """Send marks as they are posted, until cancelled."""
        while True:
            await self._posted.wait()
            self._posted.clear()
            await self.send()
