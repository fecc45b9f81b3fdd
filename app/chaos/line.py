"""A caller's line: connected to one of the gateways, to the next one when that dies, without a gap if it can be had."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from urllib.parse import urlencode

import msgspec
import websockets
from msgspec import Struct
from websockets.asyncio.client import ClientConnection

from app.caller.messages import BadMessage, ClientMessage, ServerMessage, decode, encode
from app.caller.playout import ChunkPlayer

__all__ = ["Got", "Line"]

OPEN_S = 1.0
"""Longest wait for a gateway to take the line; one that stands still takes none."""
AGAIN_S = 0.05
TICK_S = 0.05
"""How often playing goes on."""


class Got(Struct, frozen=True, kw_only=True):
    """One message of the server's, its audio left out."""

    at: float
    """On the event loop's clock."""
    connection: int
    """The how-manieth connection of the session it came over, from 1 on."""
    id: str
    """Its place among the session's messages; empty if the server gives none."""
    data: bytes
    """Its JSON: an hour of calls is kept until it is judged, and dictionaries would take five times the memory."""

    @property
    def message(self) -> dict[str, object]:
        """The message, decoded."""
        found: dict[str, object] = msgspec.json.decode(self.data)
        return found


class Line:
    """Connects, and connects again; plays what comes, and reports it.

    Args:
        session_id: Whose line.
        gateways: Addresses to try, one after the other.
        first: Which of them first.
        on_message: Takes each message of the server's.
        on_lost: Told that a connection ended before the caller hung up.
        on_played: Told of each answer that was played to its end.
    """

    def __init__(
        self, session_id: str, gateways: Sequence[str], first: int, *,
        on_message: Callable[[ServerMessage], None], on_lost: Callable[[], None], on_played: Callable[[], None],
    ) -> None:  # fmt: skip
        self.session_id = session_id
        self.got: list[Got] = []
        self.connections = 0
        self.url = ""
        self.problems: list[str] = []
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._gateways = gateways
        self._next = first
        self._on_message = on_message
        self._on_lost = on_lost
        self._on_played = on_played
        self._socket: ClientConnection | None = None
        self._player = ChunkPlayer()
        self._last_id = ""

    async def keep(self) -> None:
        """Keep a connection, as long as one is wanted, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._play())
            while True:
                await self._wanted.wait()
                await self._connect()
                if self._wanted.is_set():
                    self._on_lost()
                    await asyncio.sleep(AGAIN_S)

    def want(self, wanted: bool) -> None:
        """Say whether a connection that ends is to be followed by another."""
        if wanted:
            self._wanted.set()
        else:
            self._wanted.clear()

    async def send(self, message: ClientMessage) -> bool:
        """Send a message; return whether there was a connection to take it."""
        if self._socket is None:
            return False
        try:
            await self._socket.send(encode(message))
        except websockets.ConnectionClosed:
            return False
        return True

    def cut(self) -> None:
        """Let the connection break, as when a browser vanishes."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def _connect(self) -> None:
        self.url = self._gateways[self._next % len(self._gateways)]
        self._next += 1
        query = {"session_id": self.session_id} | ({"after": self._last_id} if self._last_id else {})
        address = f"ws{self.url.removeprefix('http')}/ws/orchestrate?{urlencode(query)}"
        connecting = websockets.connect(
            address, proxy=None, open_timeout=OPEN_S, close_timeout=0.2, ping_interval=None, compression=None
        )
        with suppress(OSError, TimeoutError, websockets.InvalidHandshake, websockets.ConnectionClosed):
            async with connecting as socket:
                self.connections += 1
                self._player = ChunkPlayer()
                self._socket = socket
                try:
                    async for data in socket:
                        await self._take(data)
                finally:
                    self._socket = None

    async def _take(self, data: str | bytes) -> None:
        now = asyncio.get_running_loop().time()
        raw: dict[str, object] = msgspec.json.decode(data)
        payload = raw.get("payload")
        if isinstance(payload, dict):
            payload.pop("audio_base64", None)
        self._last_id = str(raw.get("id", self._last_id))
        self.got.append(
            Got(at=now, connection=self.connections, id=str(raw.get("id", "")), data=msgspec.json.encode(raw))
        )
        try:
            message = decode(data)
        except BadMessage as error:
            self.problems.append(str(error))
            return
        if message is not None:
            self._on_message(message)
            await self._report(self._player.take(message, now))

    async def _play(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            await self._report(self._player.advance(asyncio.get_running_loop().time()))

    async def _report(self, reports: Sequence[ClientMessage]) -> None:
        for report in reports:
            await self.send(report)
            if getattr(report, "event", "") == "playback_done":
                self._on_played()
