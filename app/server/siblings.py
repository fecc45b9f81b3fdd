"""Several processes behind one address: an offer goes to the one that holds the call.

The WebSocket of a call and its WebRTC offer come by connections of their own, and any process may take either. Together
they are one client, so the process that has the one must get the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import httpx
import structlog
from litestar.types import ASGIApp, HTTPReceiveMessage, HTTPRequestEvent, Receive, Scope, Send

from app.gateway.gateway import Gateway
from app.runtime import Runtime

__all__ = ["to_the_holder"]

_log = structlog.get_logger()

_OFFER = re.compile(r"/sessions/([^/]{1,64})/offer")
_PASSED_ON = b"x-voicechart-passed-on"
"""Marks a request that a sibling passes on: whoever gets it and does not hold the call passes it on to nobody."""
NOT_HERE = 421
"""Misdirected Request (RFC 9110, section 15.5.20)."""
ANSWER_S = 10.0
"""Longest wait for a sibling's answer to an offer, which it begins to make at once."""


def to_the_holder(app: ASGIApp, runtime: Runtime, doors: Iterable[Path], *, max_body: int) -> ASGIApp:
    """Return the application of a process that passes offers on to whichever sibling holds the call.

    Args:
        app: What this process serves itself.
        runtime: Whose gateway knows which calls it holds.
        doors: The unix sockets of the siblings.
        max_body: Bytes above which an offer is left to `app`, which refuses it.
    """
    siblings = list(doors)

    async def passing(scope: Scope, receive: Receive, send: Send) -> None:
        match = _OFFER.fullmatch(scope.get("path", "")) if scope.get("method") == "POST" else None
        if match is None or _holds(runtime.gateway, match[1].lower()):
            await app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if _PASSED_ON in headers:
            await _respond(send, NOT_HERE, b"", b"text/plain")
            return
        body = await _read(receive, max_body)
        if len(body) <= max_body:
            for door in siblings:
                answer = await _ask(door, scope["path"], body, headers.get(b"content-type", b""))
                if answer is not None:
                    kind = answer.headers.get("content-type", "").encode()
                    await _respond(send, answer.status_code, answer.content, kind)
                    return
        await app(scope, _again(body, receive), send)

    return passing


def _holds(gateway: Gateway | None, session_id: str) -> bool:
    call = gateway.find_call(session_id) if gateway is not None else None
    return call is not None and not call.over and (call.client.socket is not None or call.client.peer is not None)


async def _ask(door: Path, path: str, body: bytes, kind: bytes) -> httpx.Response | None:
    """Return a sibling's answer; nothing if it does not hold the call, or is not there now."""
    headers = {_PASSED_ON.decode(): "1", "content-type": kind.decode("latin-1")}
    try:
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(door)), timeout=ANSWER_S) as http:
            answer = await http.post(f"http://sibling{path}", content=body, headers=headers)
    except httpx.TransportError as error:
        _log.debug("sibling_silent", door=door.name, error=str(error))
        return None
    return None if answer.status_code == NOT_HERE else answer


async def _read(receive: Receive, max_body: int) -> bytes:
    """Return the body, or its beginning if there is more than `max_body`."""
    body, more = b"", True
    while more and len(body) <= max_body:
        message = cast("HTTPReceiveMessage", await receive())
        if message["type"] == "http.disconnect":
            break
        body, more = body + message["body"], message["more_body"]
    return body


def _again(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read once more, and then what follows."""
    given = False

    async def replayed() -> HTTPReceiveMessage:
        nonlocal given
        if given:
            return cast("HTTPReceiveMessage", await receive())
        given = True
        return HTTPRequestEvent(type="http.request", body=body, more_body=False)

    return cast("Receive", replayed)


async def _respond(send: Send, status: int, body: bytes, kind: bytes) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
