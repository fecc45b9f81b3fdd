"""One caller's client: a WebSocket, a peer connection, or both as one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from adapters.media.port import FedLeg, MediaLeg, MediaLost, PeerLeg
from app.gateway.services import Message

__all__ = ["Client", "Socket"]

_log = structlog.get_logger()

OUTBOX_MESSAGES = 1000
"""Messages that may wait for a slow client, a minute's worth of a lively call: beyond that it is let go."""


class Socket(Protocol):
    """A WebSocket, as far as a call needs it."""

    async def send(self, message: Message) -> None:
        """Send one message. Raises MediaLost if the socket is closed."""

    def end(self, code: int, reason: str) -> None:
        """Have the socket closed by whoever runs it."""


class Client:
    """Where a call's messages and audio go now.

    Args:
        on_lost: Called when a client that takes nothing any more is let go.
    """

    def __init__(self, on_lost: Callable[[str], None]) -> None:
        self._on_lost = on_lost
        self._outbox: asyncio.Queue[Message] = asyncio.Queue(OUTBOX_MESSAGES)
        self.socket: Socket | None = None
        self.socket_leg: FedLeg | None = None
        self.peer: PeerLeg | None = None
        self.peer_ready = False

    @property
    def present(self) -> bool:
        """Whether a client is there at all."""
        return self.socket is not None or self.peer_ready

    @property
    def leg(self) -> MediaLeg | None:
        """Where audio goes: the peer connection once it is up, else the WebSocket."""
        return self.peer if self.peer is not None and self.peer_ready else self.socket_leg

    async def send(self, message: Message) -> None:
        """Queue a message for the client; nobody there, it is not kept."""
        if not self.present:
            return
        try:
            self._outbox.put_nowait(message)
        except asyncio.QueueFull:
            self._on_lost("it does not take its messages")

    async def deliver(self) -> None:
        """Send what is queued, in order, until cancelled."""
        while True:
            message = await self._outbox.get()
            try:
                if self.socket is not None:
                    await self.socket.send(message)
                elif self.peer is not None:
                    await self.peer.send(message)
            except MediaLost as error:
                _log.debug("message_not_sent", type=message.get("type"), error=str(error))
            finally:
                self._outbox.task_done()

    async def flush(self) -> None:
        """Wait until all that is queued was sent, a second at most."""
        try:
            async with asyncio.timeout(1.0):
                await self._outbox.join()
        except TimeoutError:
            _log.debug("messages_left_unsent", waiting=self._outbox.qsize())

    async def drop_peer(self) -> None:
        """Close the peer connection, if there is one."""
        peer, self.peer, self.peer_ready = self.peer, None, False
        if peer is not None:
            await peer.close()
