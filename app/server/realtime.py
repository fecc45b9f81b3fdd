"""The WebSocket `/ws/orchestrate`: microphone and messages in, speech and states out."""

from __future__ import annotations

import asyncio
from typing import cast

import msgspec
import structlog
from litestar import WebSocket, websocket
from litestar.datastructures import State
from litestar.exceptions import ClientException, HTTPException, WebSocketDisconnect

from adapters.bus.port import BusUnavailable
from adapters.media.port import MediaLost
from app.gateway.call import Call
from app.gateway.messages import MAX_MESSAGE_BYTES
from app.gateway.services import Message
from app.gateway.told import is_message_id
from app.runtime import Runtime
from app.server.problems import session_key
from app.server.sessions import gateway_of

__all__ = ["orchestrate"]

_log = structlog.get_logger()

_GONE = (RuntimeError, OSError, WebSocketDisconnect)
"""How a client that is gone shows when something is sent to it: the server's error is an OSError."""


class _Socket:
    """The client's WebSocket, as a call sees it."""

    def __init__(self, socket: WebSocket[object, object, State]) -> None:
        self._socket = socket
        self.ending: tuple[int, str] | None = None
        self.over = asyncio.Event()

    async def send(self, message: Message) -> None:
        try:
            await self._socket.send_text(msgspec.json.encode(message).decode())
        except _GONE as error:
            raise MediaLost(f"the WebSocket is closed: {error}") from error

    def end(self, code: int, reason: str) -> None:
        self.ending = self.ending or (code, reason)
        self.over.set()


@websocket("/ws/orchestrate")
async def orchestrate(socket: WebSocket[object, object, State], runtime: Runtime) -> None:
    """Hold one client of a session, which is created if it is unknown."""
    try:
        session_id = session_key(socket.query_params.get("session_id", ""))
        after = _message_id(socket.query_params.get("after"))
        gateway = gateway_of(runtime)
        call = await gateway.open_call(session_id)
    except ClientException:
        await socket.close(4400)  # before accept: the handshake fails with 403
        return
    except (HTTPException, BusUnavailable) as error:
        await socket.accept()
        await _refuse(socket, "unavailable", str(error), 1013)
        return
    await socket.accept()
    link = _Socket(socket)
    # The server takes what the client sends only once the connect is folded; until then it waits in the socket.
    try:
        await call.transports.attach_socket(link, after)
    except TimeoutError:
        await call.transports.detach_socket(link, "the connect was not folded")
        await _refuse(socket, "unavailable", "the event log does not answer; try again in a moment", 1013)
        return
    either = [asyncio.create_task(_receive(socket, call)), asyncio.create_task(link.over.wait())]
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in either:
            task.cancel()
        await asyncio.gather(*either, return_exceptions=True)
        await call.transports.detach_socket(link, "the WebSocket closed")
    if link.ending is not None:
        code, reason = link.ending
        if code == 4409:
            await _refuse(socket, "taken_over", reason, code)
        else:
            await _close(socket, code, reason)


def _message_id(text: str | None) -> str | None:
    """Return the id of the client's last message, if it gave one. Raises ClientException if it is none."""
    if text and not is_message_id(text):
        raise ClientException(f"after is the id of a message, such as 1795430000123-0.2, not {text[:80]!r}")
    return text or None


async def _receive(socket: WebSocket[object, object, State], call: Call) -> bool:
    """Take frames until the client is gone; return True then."""
    while True:
        frame = cast("dict[str, object]", await socket.receive())
        data, text = frame.get("bytes"), frame.get("text")
        if frame["type"] == "websocket.disconnect":
            return True
        if isinstance(data, bytes):
            await call.hear_frame(data)
        elif isinstance(text, str):
            if len(text.encode()) > MAX_MESSAGE_BYTES:
                await _close(socket, 1009, "a message has at most 64 KiB")
                return True
            await call.hear_message(text)


async def _refuse(socket: WebSocket[object, object, State], code: str, message: str, close_code: int) -> None:
    try:
        await socket.send_json({"type": "error", "code": code, "message": message})
    except _GONE:
        return
    await _close(socket, close_code, message)


async def _close(socket: WebSocket[object, object, State], code: int, reason: str) -> None:
    try:
        # A close frame's reason has at most 123 bytes (RFC 6455, section 5.5.1).
        await socket.close(code, reason.encode()[:120].decode(errors="ignore"))
    except _GONE as error:
        _log.debug("socket_was_closed", error=str(error))
