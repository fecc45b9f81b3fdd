"""Runs one kind of task: takes requests from the bus, answers them with facts, retries and puts aside."""

from __future__ import annotations

import time
import zlib
from collections.abc import AsyncIterator, Callable, Mapping

import structlog

from adapters.answers.port import Answerer, IntentClassifier
from adapters.bus.port import BusUnavailable, EventBus, TaskDelivery
from app.request_loop import RequestLoop
from app.session_record import derived_id
from statecharts.delivery import MAX_ATTEMPTS, DeliveryEffect, new_delivery
from statecharts.events import (
    Envelope,
    Event,
    IntentDetected,
    IntentFailed,
    InvalidEvent,
    RagAnswerReady,
    RagFailed,
    to_envelope,
)

__all__ = ["BACKOFF_SPREAD", "KINDS", "LOCAL_KINDS", "Work", "Worker", "answer_requests", "classify_requests"]

_log = structlog.get_logger()

BACKOFF_S = 0.2
BACKOFF_SPREAD = 0.5
"""By which share of itself a wait is longer or shorter."""

SERVED_AT_ONCE = 64
"""Requests in work at the same time: an answerer that takes its time must not hold up the next caller."""

Work = Callable[[Envelope], AsyncIterator[Event]]
"""From a request to the facts that answer it, as each is known."""

_FAILED: Mapping[str, Callable[..., Event]] = {"intent": IntentFailed, "rag": RagFailed}
"""The kinds of workers, and the fact that tells that one could not serve a request."""
KINDS = tuple(_FAILED)
LOCAL_KINDS = ("intent", "rag")
"""The kinds that a process with the role `workers` runs."""


def classify_requests(classifier: IntentClassifier) -> Work:
    """Return the work of an intent worker."""

    async def work(request: Envelope) -> AsyncIterator[Event]:
        text, request_id = _asked(request)
        judged = classifier.classify(text)
        yield IntentDetected(intent=judged.intent, confidence=judged.confidence, request_id=request_id)

    return work


def answer_requests(answerer: Answerer) -> Work:
    """Return the work of a retrieval worker."""

    async def work(request: Envelope) -> AsyncIterator[Event]:
        text, request_id = _asked(request)
        async for sentence in answerer.answer(text):
            yield RagAnswerReady(
                text=sentence.text,
                is_final=sentence.is_final,
                request_id=request_id,
                source=sentence.source,
                score=sentence.score,
            )

    return work


def _asked(request: Envelope) -> tuple[str, str]:
    """Return the text and the id of a request."""
    text, request_id = request.payload.get("text"), request.payload.get("request_id", "")
    if not isinstance(text, str) or not isinstance(request_id, str):
        raise InvalidEvent(f"{request.event_type} needs a text and a request_id, it has {request.payload}")
    return text, request_id


def _back_off_s(delivery: TaskDelivery, spread: float) -> float:
    """Return how long to wait before a request is tried again.

    It varies, so that what failed together is not tried again together: with the request's own id, so that a run that
    is repeated waits the same.
    """
    drawn = zlib.crc32(f"{delivery.envelope.event_id}/{delivery.attempts}".encode()) / 2**32
    return float(BACKOFF_S * 2 ** (delivery.attempts - 1) * (1.0 + spread * (2.0 * drawn - 1.0)))


class Worker:
    """One of the competing workers of a kind.

    Args:
        bus: Where requests come from and facts go to.
        kind: One of `KINDS`.
        name: Unique among the workers of this kind.
        work: What to do with a request.
        clock: Tells the Unix time.
        spread: By which share of itself the wait before another attempt varies.
    """

    def __init__(
        self, bus: EventBus, kind: str, name: str, work: Work, clock: Callable[[], float] = time.time,
        spread: float = BACKOFF_SPREAD,
    ) -> None:  # fmt: skip
        self._bus = bus
        self._kind = kind
        self._name = name
        self._work = work
        self._clock = clock
        self._spread = spread
        self._requests = RequestLoop(bus, kind, name, self._serve, SERVED_AT_ONCE)
        self.run, self.leave = self._requests.run, self._requests.leave

    async def _serve(self, delivery: TaskDelivery) -> None:
        """Lead one request to its end, or out of our hands, as its chart says."""
        life = new_delivery(delivery.attempts)
        error = f"given up after {MAX_ATTEMPTS} attempts: the last worker died with it"
        doing = life.take("begin")
        while doing:
            try:
                happened = await self._do(doing[0], delivery, error)
            except BusUnavailable as away:
                # What was published already is published again: copies are dropped.
                _log.warning("answer_not_published", kind=self._kind, error=str(away))
                happened = "unreachable"
            except Exception as failure:  # noqa: BLE001 - whatever one request does, the rest is served
                error, happened = f"{type(failure).__name__}: {failure}", "failed"
                self._tell_failure(delivery, error)
            doing = life.take(happened)

    async def _do(self, wanted: DeliveryEffect, delivery: TaskDelivery, error: str) -> str:
        """Do one thing for a request; return what has happened then."""
        match wanted:
            case DeliveryEffect.WORK:
                async for fact in self._facts(delivery.envelope):
                    await self._bus.publish(fact)
                return "published"
            case DeliveryEffect.ACKNOWLEDGE:
                await delivery.ack()
                return "settled"
            case DeliveryEffect.PUT_ASIDE:
                await self._put_aside(delivery, error)
                return "settled"
            case DeliveryEffect.GIVE_BACK:
                await delivery.nack(_back_off_s(delivery, self._spread))
                return "given_back"

    def _tell_failure(self, delivery: TaskDelivery, error: str) -> None:
        session_id = delivery.envelope.session_id
        _log.warning("request_failed", kind=self._kind, session=session_id, attempt=delivery.attempts, error=error)

    async def _facts(self, request: Envelope) -> AsyncIterator[Envelope]:
        index = 0
        async for event in self._work(request):
            yield self._envelope(request, event, index)
            index += 1

    def _envelope(self, request: Envelope, event: Event, index: int) -> Envelope:
        fact = to_envelope(event, request.session_id, source=self._name, metadata=request.metadata)
        return Envelope(
            event_type=fact.event_type,
            session_id=fact.session_id,
            payload=fact.payload,
            # The same for every attempt at this request, so that a second delivery is seen as a copy.
            event_id=derived_id(request.event_id, fact.event_type, index),
            correlation_id=request.correlation_id,
            timestamp=self._clock(),
            source=self._name,
            turn=request.turn,
            metadata=request.metadata,
        )

    async def _put_aside(self, delivery: TaskDelivery, error: str) -> None:
        """Tell the conversation that no answer will come, and keep the request for a person."""
        request = delivery.envelope
        _log.error("request_put_aside", kind=self._kind, session=request.session_id, error=error)
        request_id = str(request.payload.get("request_id", ""))
        failed = _FAILED[self._kind](error=error, request_id=request_id)
        await self._bus.publish(self._envelope(request, failed, 0))
        await self._bus.mirror([await delivery.dead_letter(error)], {})
