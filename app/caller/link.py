"""The caller's connection to a server, whatever carries the audio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Literal, Protocol, TypeAlias, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec
from msgspec import Struct

from app.caller.messages import ClientMessage, ServerMessage
from app.caller.playout import Player
from statecharts.events import VoicechartError

__all__ = [
    "FRAME_BYTES",
    "FRAME_S",
    "CallRefused",
    "Link",
    "LinkLost",
    "ServerUnreachable",
    "Session",
    "Transport",
    "create_session",
    "is_loopback",
    "open_http",
    "post",
]

Transport: TypeAlias = Literal["ws", "webrtc"]

FRAME_S = 0.020
"""How much audio a microphone gives at a time, in seconds: one Opus packet."""
FRAME_BYTES = 640
"""`FRAME_S` of s16le mono at 16 kHz."""
CONNECT_TIMEOUT_S = 10.0
"""Longest wait for the server to answer a request or to open a connection, in seconds."""

T = TypeVar("T")


class ServerUnreachable(VoicechartError):
    """Nobody answers at the address."""


class CallRefused(VoicechartError):
    """The server answers, but will not take the call."""


class LinkLost(VoicechartError):
    """The connection ended before the caller hung up."""


class Session(Struct, frozen=True):
    """What `POST /sessions` gives."""

    session_id: str
    token: str = ""


class Link(Protocol):
    """One open connection of one session."""

    @property
    def transport(self) -> Transport: ...

    @property
    def player(self) -> Player:
        """What plays the server's voice on this connection."""

    async def speak(self, frame: bytes) -> None:
        """Send the next `FRAME_BYTES` of the microphone. Raises LinkLost."""

    async def send(self, message: ClientMessage) -> None:
        """Send a message. Raises LinkLost."""

    def messages(self) -> AsyncIterator[ServerMessage]:
        """Yield what the server says until the connection ends."""


@asynccontextmanager
async def open_http(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Open a client for the server at `url`; a loopback address never goes through a proxy.

    Raises:
        ServerUnreachable: From any request inside: nobody answers there, or not in time.
    """
    try:
        async with httpx.AsyncClient(base_url=url, timeout=CONNECT_TIMEOUT_S, trust_env=not is_loopback(url)) as client:
            yield client
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise unreachable(url, error) from error


def unreachable(url: str, error: Exception) -> ServerUnreachable:
    """Return the error to raise when nobody answers at `url`."""
    reason = str(error).rstrip(". ") or type(error).__name__
    return ServerUnreachable(
        f"cannot reach a voice server at {url}: {reason}. Start it with ./run serve, or point --url at another."
    )


def is_loopback(url: str) -> bool:
    """Return whether an address means this machine."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


async def post(http: httpx.AsyncClient, path: str, body: dict[str, object], answer: type[T]) -> T:
    """Post JSON and return the answer as `answer`.

    Raises:
        CallRefused: The server says no, or something that is not what was asked for.
    """
    response = await http.post(path, json=body)
    if not response.is_success:
        raise CallRefused(f"POST {path} was refused with {response.status_code}: {response.text[:300]}")
    try:
        return msgspec.json.decode(response.content, type=answer)
    except msgspec.DecodeError as error:
        raise CallRefused(
            f"POST {path} was answered with something else than a voice session ({error}). "
            "Is --url the address of voicechart?"
        ) from error


async def create_session(http: httpx.AsyncClient) -> Session:
    """Create a session to connect to. Raises CallRefused."""
    return await post(http, "/sessions", {}, Session)
