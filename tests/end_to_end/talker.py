"""A caller who speaks, types and presses keys whenever a test wants, and always listens, over either transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import httpx

from app.caller.call import hang_up, open_link
from app.caller.link import FRAME_BYTES, FRAME_S, Link, Transport
from app.caller.messages import ClientMessage, ServerMessage, SessionOpened, State

__all__ = ["Talker", "call_as"]

WITHIN_S = 20.0


class Talker:
    """One open call; its microphone gives silence while nothing is said."""

    def __init__(self, server: str, session_id: str, link: Link) -> None:
        self.messages: list[ServerMessage] = []
        self._server = server
        self._session_id = session_id
        self._link = link
        self._speech = b""
        self._silent = asyncio.Event()
        self._heard = asyncio.Condition()

    async def say(self, pcm: bytes) -> None:
        """Speak; returns with the last word."""
        self._silent.clear()
        self._speech += pcm
        await self._silent.wait()

    async def send(self, *messages: ClientMessage) -> None:
        """Send messages, one right behind the other."""
        for message in messages:
            await self._link.send(message)

    async def hear(self, wanted: Callable[[ServerMessage], bool], *, after: int = 0) -> ServerMessage:
        """Return the first message that is wanted, of those after so many, as soon as it is there."""
        async with asyncio.timeout(WITHIN_S), self._heard:
            await self._heard.wait_for(lambda: any(map(wanted, self.messages[after:])))
            return next(filter(wanted, self.messages[after:]))

    async def state(self, name: str, turn: int) -> None:
        """Wait until the conversation is or was in this state of this turn."""
        await self.hear(
            lambda message: isinstance(message, State) and (message.payload.state, message.payload.turn) == (name, turn)
        )

    async def turns(self, number: int) -> list[dict[str, Any]]:
        """Return all turns, once so many are over."""
        async with asyncio.timeout(WITHIN_S), httpx.AsyncClient(base_url=self._server) as http:
            while len(found := (await http.get(f"/sessions/{self._session_id}/turns")).json()) < number:
                await asyncio.sleep(0.05)
            return list(found)

    async def listen(self) -> None:
        """Take what comes, and report what is played of it."""
        async for message in self._link.messages():
            async with self._heard:
                self.messages.append(message)
                self._heard.notify_all()
            await self.send(*self._link.player.take(message, asyncio.get_running_loop().time()))

    async def sound(self) -> None:
        """Send the microphone's audio in real time."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in count(1):
            await asyncio.sleep(max(0.0, began + number * FRAME_S - loop.time()))
            frame, self._speech = self._speech[:FRAME_BYTES], self._speech[FRAME_BYTES:]
            await self._link.speak(frame.ljust(FRAME_BYTES, b"\0"))
            await self.send(*self._link.player.advance(loop.time()))
            if not self._speech:
                self._silent.set()


@asynccontextmanager
async def call_as(server: str, transport: Transport) -> AsyncIterator[Talker]:
    """Call the server and wait until it listens."""
    async with open_link(server, transport) as (session_id, link):
        talker = Talker(server, session_id, link)
        listening, sounding = asyncio.create_task(talker.listen()), asyncio.create_task(talker.sound())
        try:
            await talker.hear(lambda message: isinstance(message, SessionOpened))
            yield talker
        finally:
            sounding.cancel()
            await asyncio.wait({sounding})
            await hang_up(link, listening)
