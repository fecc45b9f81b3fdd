"""Holds the calls of one process: publishes what they hear, obeys what the orchestrators ask."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from functools import partial

import structlog

from adapters.bus.port import BusUnavailable, EventBus
from app.folding import GATEWAY_NAMES
from app.gateway.call import Call
from app.gateway.offers import Description, Offers
from app.gateway.orders import Orders
from app.gateway.services import CallServices
from app.presence import stay_present
from app.session_record import SessionRecord
from statecharts.events import Envelope, Event, to_envelope

__all__ = ["Gateway"]

_log = structlog.get_logger()

BACKLOG_EVENTS = 10_000
"""Facts kept while the bus is away, minutes of a busy process; then the newest are lost, and that is logged."""
BATCH_EVENTS = 200
RETRY_S = 0.1


class Gateway:
    """One process's share of the callers.

    Args:
        bus: Where facts go and commands come from.
        services: Models, rules and legs for every call.
        clock: Tells the Unix time.
        on_duck: Told of each reflex, and how many seconds it took.
    """

    def __init__(
        self,
        bus: EventBus,
        services: CallServices,
        clock: Callable[[], float] = time.time,
        on_duck: Callable[[float], None] = lambda took_s: None,
    ) -> None:
        self.name = f"{GATEWAY_NAMES}{uuid.uuid4().hex[:12]}"
        self._bus = bus
        self._services = services
        self._clock = clock
        self._on_duck = on_duck
        self._calls: dict[str, Call] = {}
        self._metadata: dict[str, dict[str, object]] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._backlog: asyncio.Queue[Envelope] = asyncio.Queue(BACKLOG_EVENTS)
        self._orders: defaultdict[str, Orders] = defaultdict(Orders)
        self._offers = Offers(bus, self.name)
        self.draining = False

    @property
    def calls(self) -> int:
        """How many calls are held."""
        return len(self._calls)

    async def run(self) -> None:
        """Publish and obey until cancelled; then let all calls go."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._publish_backlog(), name="gateway-publisher")
                group.create_task(stay_present(self._bus, "gateway", self.name), name="gateway-presence")
                async for command in self._bus.listen(self.name):
                    call = self._calls.get(command.session_id)
                    if not command.epoch:
                        group.create_task(self._offers.take(command, call))
                        continue
                    if call is None or not self._orders[command.session_id].takes(command):
                        continue
                    try:
                        await call.obey(command.effects, command.position)
                    except Exception:  # noqa: BLE001 - one broken call must not end the others: it is let go
                        _log.exception("call_failed", session=call.session_id)
                        call.abandon()
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    def remember(self, session_id: str, metadata: dict[str, object]) -> None:
        """Keep what goes into every envelope of a session that this process created."""
        self._metadata[session_id] = metadata

    async def open_call(self, session_id: str) -> Call:
        """Return the session's call, made if there is none here.

        Raises:
            BusUnavailable: Whether the session exists cannot be known now.
        """
        call, record = await self._look_up(session_id)
        if call is not None:
            return call
        is_new = session_id not in self._metadata and record is None
        self._metadata.setdefault(session_id, {"trace_id": uuid.uuid4().hex} if record is None else record.metadata)
        call = Call(
            session_id, self._services, partial(self._hear, session_id), partial(self._bus.journal, session_id),
            is_new=is_new, elsewhere=record is not None and record.gateway not in ("", self.name),
            on_duck=self._on_duck,
        )  # fmt: skip
        self._calls[session_id] = call
        self._running[session_id] = asyncio.create_task(self._run_call(call), name=f"call-{session_id}")
        return call

    async def _look_up(self, session_id: str) -> tuple[Call | None, SessionRecord | None]:
        """Return the session's call if it is still ours, and what is stored of the session."""
        blob = await self._bus.snapshot(session_id)
        record = SessionRecord.decode(blob) if blob is not None else None
        call = self._calls.get(session_id)
        if call is not None and call.ours and record is not None and record.gateway not in ("", self.name):
            # We stood still, or were cut off, and have not heard yet that the client went elsewhere.
            await call.move_away()
            call = self._calls.get(session_id)
        return call if call is not None and not call.over else None, record

    async def answer_offer(self, record: SessionRecord, offer: Description) -> Description:
        """Answer a WebRTC offer: here, or at the gateway to which the rest of this client is connected.

        Raises:
            BadOffer: The offer cannot be answered.
            BusUnavailable: Where the client is cannot be known now.
        """
        session_id, holder = record.session_id, record.gateway
        call = self._calls.get(session_id)
        elsewhere = record.context.connected and holder != self.name and (call is None or call.over or call.ours)
        if elsewhere and holder in await self._bus.members("gateway"):
            with contextlib.suppress(TimeoutError):  # it does not answer: the client is better off here
                return await self._offers.forward(holder, session_id, offer)
        call = await self.open_call(session_id)
        return Description(*await call.transports.answer_offer(offer.sdp, offer.type))

    def find_call(self, session_id: str) -> Call | None:
        """Return the session's call if it is held here."""
        return self._calls.get(session_id)

    def publish(self, session_id: str, event: Event, since_voice_end_s: float = 0.0, *, source: str = "") -> str:
        """Queue a fact for the log; facts of a session keep their order. Returns its event id.

        Args:
            session_id: Whose it is.
            event: The fact.
            since_voice_end_s: Seconds since the true end of the voice, if it follows one.
            source: Who says so, if it is not the gateway that holds the call.
        """
        now = self._clock()
        source = source or self.name
        envelope = to_envelope(event, session_id, source=source, metadata=dict(self._metadata.get(session_id, {})))
        if since_voice_end_s:
            envelope.metadata["speech_ended_at"] = now - since_voice_end_s
        event_id = event.event_id or str(uuid.uuid4())
        stamped = Envelope(
            event_type=envelope.event_type, session_id=session_id, payload=envelope.payload, event_id=event_id,
            correlation_id=session_id, timestamp=now, source=source, turn=event.turn, metadata=envelope.metadata,
        )  # fmt: skip
        try:
            self._backlog.put_nowait(stamped)
        except asyncio.QueueFull:
            _log.error("fact_lost", session=session_id, event_type=event.event_type, waiting=BACKLOG_EVENTS)
        return event_id

    @property
    def busy(self) -> bool:
        """Whether any call is in the middle of a turn."""
        return any(call.busy for call in self._calls.values())

    def _hear(self, session_id: str, event: Event, since_voice_end_s: float) -> None:
        self.publish(session_id, event, since_voice_end_s)

    async def _run_call(self, call: Call) -> None:
        try:
            run = asyncio.create_task(call.run())
            ended = asyncio.create_task(call.ended.wait())
            try:
                await asyncio.wait([run, ended], return_when=asyncio.FIRST_COMPLETED)
                if run.done():
                    run.result()
            finally:
                run.cancel()
                ended.cancel()
                await asyncio.gather(run, ended, return_exceptions=True)
        except Exception:  # noqa: BLE001 - one broken call must not end the others: it is let go, the log says why
            _log.exception("call_failed", session=call.session_id)
            call.abandon()
        finally:
            if self._calls.get(call.session_id) is call:
                for kept in (self._calls, self._running, self._metadata, self._orders):
                    kept.pop(call.session_id, None)

    async def _publish_backlog(self) -> None:
        while True:
            envelopes = [await self._backlog.get()]
            while not self._backlog.empty() and len(envelopes) < BATCH_EVENTS:
                envelopes.append(self._backlog.get_nowait())
            while True:
                try:
                    await self._bus.publish(*envelopes)
                    break
                except BusUnavailable as error:
                    _log.debug("publish_retried", events=len(envelopes), error=str(error))
                    await asyncio.sleep(RETRY_S)
