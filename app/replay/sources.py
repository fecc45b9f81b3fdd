"""Where logs are found: at a running server, on a bus, or in the data folder of a server that brings its own."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import httpx
import msgspec
from msgspec import Struct

from adapters.bus.port import EventBus
from app.caller.link import ServerUnreachable, open_http
from app.patience import patiently
from app.replay.call_log import BadLog, CallLog, decode_log, read_log
from app.session_record import SessionRecord, SessionView
from app.settings import load_settings, masked
from statecharts.events import VoicechartError

__all__ = ["NoSuchSession", "Place", "Source", "open_place", "open_source", "read_logs", "session_of"]


class NoSuchSession(VoicechartError):
    """The log is there, and the session is not in it."""


class Place(Struct, frozen=True):
    """Where the user says to look; nothing: at the server of the settings, else in its data folder."""

    url: str | None = None
    bus: str | None = None
    data: str | None = None


class Source(Protocol):
    """A place with sessions."""

    async def log(self, session_id: str) -> CallLog:
        """Return a session's log. Raises NoSuchSession."""

    async def sessions(self) -> list[SessionView]:
        """Return all sessions, the latest first."""


@asynccontextmanager
async def open_source(place: Place, tell: Callable[[str], None]) -> AsyncIterator[Source]:
    """Open the place; `tell` gets a line where that takes a while.

    Raises:
        VoicechartError: It cannot be reached; the message says what to do.
    """
    if place.url is None and place.bus is None and place.data is None:
        settings = load_settings()
        url = f"http://{settings.host}:{settings.port}"
        try:
            async with open_http(url) as http:
                await http.get("/health/live")
        except ServerUnreachable as error:
            if not settings.bus and not _has_log(Path(settings.data)):
                raise VoicechartError(
                    f"no voice server answers at {url}, and there is no log in {settings.data}. Start the server with "
                    "./run serve, or say where the log is with --url, --bus or --data."
                ) from error
        else:
            place = Place(url=url)
    if place.url is not None:
        async with open_http(place.url) as http:
            yield _Server(http, place.url)
        return
    async with open_place(place, tell) as (bus, name):
        yield _Bus(bus, name)


@asynccontextmanager
async def open_place(place: Place, tell: Callable[[str], None]) -> AsyncIterator[tuple[EventBus, str]]:
    """Open the log itself and say its name: the one of `--bus`, the one in `--data`, else that of the settings.

    Raises:
        VoicechartError: It cannot be reached; the message says what to do.
    """
    from app.wiring import open_log  # half a second, which a running server spares us

    settings = load_settings(bus=place.bus, data=place.data)
    if place.data is not None and place.bus is None:
        settings = settings.model_copy(update={"bus": ""})
    if settings.bus.startswith("memory:"):
        raise VoicechartError(
            "a memory:// bus lives in its server's process and nowhere else; pass --url with that server's address."
        )
    if not settings.bus and not _has_log(Path(settings.data)):
        raise VoicechartError(f"there is no log in {settings.data}. Pass --data with the folder that the server uses.")
    tell(f"reading {settings.bus_shown}")
    async with open_log(settings) as bus:
        yield bus, masked(settings.bus) or str(settings.data)


def _has_log(data: Path) -> bool:
    return (data / "valkey").is_dir()


class _Server:
    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http = http
        self._url = url

    async def log(self, session_id: str) -> CallLog:
        answer = await self._http.get(f"/sessions/{session_id}/log")
        problem = answer.headers.get("content-type", "").startswith("application/problem+json")
        if answer.status_code == httpx.codes.NOT_FOUND and problem:
            raise _missing(session_id, self._url)
        return decode_log(self._checked(answer), session_id)

    async def sessions(self) -> list[SessionView]:
        answer = self._checked(await self._http.get("/sessions"))
        try:
            return msgspec.json.decode(answer, type=list[SessionView])
        except msgspec.DecodeError as error:
            raise VoicechartError(f"{self._url}/sessions is no list of voice sessions ({error}).") from error

    def _checked(self, answer: httpx.Response) -> bytes:
        if answer.is_success:
            return answer.content
        raise VoicechartError(
            f"GET {answer.url} was refused with {answer.status_code}: {answer.text[:300]}. "
            "Is --url the address of voicechart?"
        )


class _Bus:
    def __init__(self, bus: EventBus, name: str) -> None:
        self._bus = bus
        self._name = name

    async def log(self, session_id: str) -> CallLog:
        log = await patiently(lambda: read_log(self._bus, session_id, session_id))
        if log is None:
            raise _missing(session_id, self._name)
        return log

    async def sessions(self) -> list[SessionView]:
        records = [SessionRecord.decode(blob) for blob in (await patiently(self._bus.all_snapshots)).values()]
        return sorted((record.view() for record in records), key=lambda view: -view.created_at)


def _missing(session_id: str, where: str) -> NoSuchSession:
    return NoSuchSession(f"there is no session {session_id} at {where}. `./run sessions` lists those that are.")


def read_logs(words: Sequence[str], place: Place, tell: Callable[[str], None]) -> list[CallLog]:
    """Return the logs that a user names: files, folders of them (`*.jsonl`), and sessions.

    Raises:
        BadLog: A file is no log.
        NoSuchSession: A session is not there.
        VoicechartError: The place of the sessions cannot be reached.
    """
    found: dict[str, list[CallLog]] = {}
    for word in words:
        path = Path(word)
        if path.is_dir():
            found[word] = [_file(file) for file in sorted(path.glob("*.jsonl"))]
            if not found[word]:
                raise BadLog(f"there is no *.jsonl in the folder {word}. `./run freeze SESSION` writes them.")
        elif path.exists():
            found[word] = [_file(path)]
        elif not session_of(word):
            raise BadLog(f"{word} is neither a file nor a session's id. `./run sessions` lists the sessions.")
    if sessions := [word for word in words if word not in found]:
        found |= asyncio.run(_of_sessions(sessions, place, tell))
    return [log for word in words for log in found[word]]


async def _of_sessions(words: Sequence[str], place: Place, tell: Callable[[str], None]) -> dict[str, list[CallLog]]:
    async with open_source(place, tell) as source:
        return {word: [await source.log(session_of(word))] for word in words}


def session_of(word: str) -> str:
    """Return the session id that a word is; empty if it is none."""
    try:
        return str(uuid.UUID(word)) if len(word) == len(str(uuid.UUID(int=0))) else ""
    except ValueError:
        return ""


def _file(path: Path) -> CallLog:
    try:
        return decode_log(path.read_bytes(), str(path))
    except OSError as error:
        raise BadLog(f"{path} cannot be read: {error.strerror}.") from error
