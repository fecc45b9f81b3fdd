"""A caller on the WebSocket: PCM up, `tts_chunk`s down, messages both ways."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import websockets
from websockets.asyncio.client import ClientConnection

from app.caller.link import CONNECT_TIMEOUT_S, CallRefused, LinkLost, Session, Transport, is_loopback, unreachable
from app.caller.messages import ClientMessage, ServerMessage, decode, encode
from app.caller.playout import ChunkPlayer

__all__ = ["open_websocket"]


class _WebSocketLink:
    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.player = ChunkPlayer()
        self.transport: Transport = "ws"

    async def speak(self, frame: bytes) -> None:
        await self._send(frame)

    async def send(self, message: ClientMessage) -> None:
        await self._send(encode(message))

    async def _send(self, data: bytes | str) -> None:
        try:
            await self._socket.send(data)
        except websockets.ConnectionClosed as error:
            raise LinkLost(f"the server closed the connection ({error}). Its log says why.") from error

    async def messages(self) -> AsyncIterator[ServerMessage]:
        # Iterating ends quietly on any normal close; an abnormal one is the caller's to judge by what came before.
        try:
            async for data in self._socket:
                message = decode(data)
                if message is not None:
                    yield message
        except websockets.ConnectionClosedError:
            return


@asynccontextmanager
async def open_websocket(url: str, session: Session) -> AsyncIterator[_WebSocketLink]:
    """Connect to a session.

    Raises:
        ServerUnreachable: Nobody answers.
        CallRefused: The handshake was answered with an error.
    """
    query = urlencode({"session_id": session.session_id} | ({"token": session.token} if session.token else {}))
    address = "ws" + url.removeprefix("http").rstrip("/") + f"/ws/orchestrate?{query}"
    connecting = websockets.connect(
        address,
        proxy=None if is_loopback(url) else True,
        open_timeout=CONNECT_TIMEOUT_S,
        close_timeout=1,
        compression=None,  # PCM does not compress, and this is measured
    )
    try:
        socket = await connecting
    except websockets.InvalidStatus as error:
        body = error.response.body.decode(errors="replace")[:300]
        raise CallRefused(f"{url} refused the WebSocket with {error.response.status_code}: {body}") from error
    except (OSError, websockets.InvalidHandshake) as error:
        raise unreachable(url, error) from error
    async with socket:
        yield _WebSocketLink(socket)
