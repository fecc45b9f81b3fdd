"""Sessions over HTTP: create, look at, feed, connect by WebRTC, end."""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from typing import Annotated

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.datastructures import State
from litestar.exceptions import ClientException, NotFoundException
from litestar.exceptions.http_exceptions import ServiceUnavailableException
from msgspec import Struct

from adapters.media.port import BadOffer
from app.gateway.gateway import Gateway
from app.gateway.messages import MAX_MESSAGE_BYTES
from app.gateway.offers import Description
from app.patience import patiently
from app.recording import TurnView, logged_events, turns
from app.replay.call_log import encode_log, read_log
from app.runtime import Runtime
from app.server.problems import session_key
from app.session_record import SessionRecord, SessionView
from statecharts.events import Envelope, SessionEnded, SessionStarted, to_event

__all__ = ["SessionController", "gateway_of"]

TOKEN_S = 600
"""How long a token would be good for: ten minutes are enough to connect."""
FOLDED_WITHIN_S = 3.0
NDJSON = "application/x-ndjson"

MAX_SESSION_BYTES = 16 * 1024
"""Largest body that describes a session: it goes into every envelope."""

_Name = Annotated[str, msgspec.Meta(max_length=128)]


class NewSession(Struct):
    """Who the session is for; both go into every envelope."""

    user_id: str | None = None
    metadata: dict[str, object] | None = None


class CreatedSession(Struct):
    """`token` is ignored while authentication is off; `expires_at` is its end, Unix seconds."""

    session_id: str
    token: str
    expires_at: float


class Accepted(Struct):
    """The fact is in the log."""

    event_id: str


class OutsideEvent(Struct):
    """A fact from an outside source; what it leaves out is filled in, its time is the server's."""

    event_type: _Name
    payload: dict[str, object] = {}
    session_id: str | None = None
    event_id: _Name = ""
    correlation_id: _Name = ""
    timestamp: float | None = None
    source: _Name = "outside"
    turn: int = 0
    metadata: dict[str, object] = {}


def gateway_of(runtime: Runtime) -> Gateway:
    """Return this process's gateway. Raises ServiceUnavailableException while there is none, or it is draining."""
    if runtime.gateway is None or runtime.draining:
        raise ServiceUnavailableException("this server takes no calls now; ask /health/ready why")
    return runtime.gateway


async def _record(runtime: Runtime, session_id: str) -> SessionRecord:
    key = session_key(session_id)
    blob = await patiently(lambda: runtime.bus.snapshot(key))
    if blob is None:
        raise NotFoundException(f"there is no session {key}; POST /sessions makes one")
    return SessionRecord.decode(blob)


class SessionController(Controller):
    """Everything under `/sessions`."""

    path = "/sessions"

    @post(status_code=201, request_max_body_size=MAX_SESSION_BYTES)
    async def create(self, runtime: Runtime, data: NewSession | None = None) -> CreatedSession:
        """Create a session."""
        gateway = gateway_of(runtime)
        session_id = str(uuid.uuid4())
        wanted = data or NewSession()
        metadata: dict[str, object] = dict(wanted.metadata or {})
        metadata["trace_id"] = uuid.uuid4().hex
        if wanted.user_id is not None:
            metadata["user_id"] = wanted.user_id
        gateway.remember(session_id, metadata)
        gateway.publish(session_id, SessionStarted(transport="http"))
        await _until(runtime, session_id, exists=True)
        return CreatedSession(session_id, secrets.token_urlsafe(24), time.time() + TOKEN_S)

    @get()
    async def list_all(self, runtime: Runtime) -> list[SessionView]:
        """List the sessions, the latest first."""
        records = [SessionRecord.decode(blob) for blob in (await patiently(runtime.bus.all_snapshots)).values()]
        return sorted((record.view() for record in records), key=lambda view: -view.created_at)

    @get("/{session_id:str}")
    async def show(self, runtime: Runtime, session_id: str) -> SessionView:
        """Show where a session stands."""
        return (await _record(runtime, session_id)).view()

    @delete("/{session_id:str}")
    async def erase(self, runtime: Runtime, session_id: str) -> None:
        """End a session and erase all that is kept of it."""
        record = await _record(runtime, session_id)
        gateway_of(runtime).publish(record.session_id, SessionEnded(reason="deleted"), source="http")
        await _until(runtime, record.session_id, exists=False)

    @get("/{session_id:str}/turns")
    async def list_turns(self, runtime: Runtime, session_id: str) -> list[TurnView]:
        """Tell the conversation turn by turn."""
        record = await _record(runtime, session_id)
        return await patiently(lambda: turns(runtime.bus, record.session_id))

    @get("/{session_id:str}/events")
    async def list_events(
        self, request: Request[object, object, State], runtime: Runtime, session_id: str, after: str = ""
    ) -> Response[bytes]:
        """Return the log in order: a JSON array, or one event a line if `Accept` asks for NDJSON."""
        record = await _record(runtime, session_id)
        try:
            events = await patiently(lambda: logged_events(runtime.bus, record.session_id, after))
        except ValueError as error:
            raise ClientException(str(error)) from error
        if NDJSON in request.headers.get("accept", ""):
            lines = b"".join(msgspec.json.encode(event) + b"\n" for event in events)
            return Response(lines, media_type=NDJSON)
        return Response(msgspec.json.encode(events), media_type="application/json")

    @get("/{session_id:str}/log")
    async def log(self, runtime: Runtime, session_id: str) -> Response[bytes]:
        """Return the whole log, each fact with what it did, as `voicechart replay` reads it: JSON Lines."""
        record = await _record(runtime, session_id)
        log = await patiently(lambda: read_log(runtime.bus, record.session_id, record.session_id))
        if log is None:
            raise NotFoundException(
                f"the facts of session {record.session_id} are gone; they are kept for a while only"
            )
        return Response(encode_log(log), media_type=NDJSON)

    @post("/{session_id:str}/events", status_code=202, request_max_body_size=MAX_MESSAGE_BYTES)
    async def publish(self, runtime: Runtime, session_id: str, data: OutsideEvent) -> Accepted:
        """Publish an outside source's fact."""
        record = await _record(runtime, session_id)
        if data.session_id is not None and data.session_id.lower() != record.session_id:
            raise ClientException(f"the event says session {data.session_id}, the address {record.session_id}")
        payload = dict(data.payload)
        if data.timestamp is not None and data.event_type.startswith("voice.webrtc."):
            payload.setdefault("client_time", data.timestamp)
        envelope = Envelope(
            event_type=data.event_type, session_id=record.session_id, payload=payload,
            event_id=data.event_id or str(uuid.uuid4()), correlation_id=data.correlation_id or record.correlation_id,
            timestamp=time.time(), source=data.source, turn=data.turn, metadata={**record.metadata, **data.metadata},
        )  # fmt: skip
        to_event(envelope)
        await patiently(lambda: runtime.bus.publish(envelope))
        return Accepted(envelope.event_id)

    @post("/{session_id:str}/offer", status_code=200)
    async def offer(self, runtime: Runtime, session_id: str, data: Description) -> Description:
        """Answer a WebRTC offer."""
        record = await _record(runtime, session_id)
        gateway = gateway_of(runtime)
        try:
            return await patiently(lambda: gateway.answer_offer(record, data))
        except BadOffer as error:
            raise ClientException(str(error)) from error


async def _until(runtime: Runtime, session_id: str, *, exists: bool) -> None:
    """Wait until the orchestrator has made, or erased, the session: the answer then tells the truth."""
    deadline = time.monotonic() + FOLDED_WITHIN_S
    while ((await patiently(lambda: runtime.bus.snapshot(session_id))) is not None) is not exists:
        if time.monotonic() > deadline:
            raise ServiceUnavailableException("nobody folds the log now; ask /health/ready why")
        await asyncio.sleep(0.005)
