"""Runs tts and stt workers: takes requests from the bus, and sends speech and words to who asked, by the media lane.

Unlike `app/workers.py` it acknowledges a request before it serves it, and tries none again: a caller waits for each, so
its gateway knows within a second that nobody serves it, and asks others.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

import msgspec
import structlog
from msgspec import Struct

from adapters.bus.port import BusUnavailable, EventBus, TaskDelivery
from adapters.lane.port import BEAT_S, Alive, Failed, Finished, Heard, LaneMessage, MediaLane, Reply, Spoken
from adapters.recognisers.port import Overloaded, Recogniser, RecogniserFailed
from adapters.voices.port import SpeechPiece, SpokenWord, Voice, VoiceFailed
from app.patience import patiently
from app.request_loop import RequestLoop

__all__ = ["AudioWork", "AudioWorker", "recognise_requests", "speak_requests"]

_log = structlog.get_logger()

SERVED_AT_ONCE = 8
"""Requests in work at the same time: what one worker holds no other can take, and a model serves two at once."""
SENT_S = 0.1
"""Speech in one message, but for the last: less is not played before more is there."""


class AudioRequest(Struct, frozen=True):
    """What the payload of a request says."""

    gateway: str
    request_id: str
    wanted_in_s: float
    text: str = ""


AudioWork = Callable[[AudioRequest, bytes, float], AsyncGenerator[Reply, None]]
"""From a request, what was offered with it and its event-loop deadline to the replies."""


def speak_requests(voice: Voice) -> AudioWork:
    """Return the work of a tts worker."""

    async def work(request: AudioRequest, offered: bytes, deadline: float) -> AsyncGenerator[Reply, None]:
        async with aclosing(_joined(voice.synthesise(request.text, deadline=deadline))) as pieces:
            async for piece in pieces:
                yield Spoken(piece)

    return work


def recognise_requests(recogniser: Recogniser) -> AudioWork:
    """Return the work of an stt worker."""

    async def work(request: AudioRequest, offered: bytes, deadline: float) -> AsyncGenerator[Reply, None]:
        yield Heard(await recogniser.recognise(offered, deadline=deadline))

    return work


class AudioWorker:
    """One of the competing workers of a kind.

    Args:
        bus: Where requests come from.
        lane: Where what they need comes from, and where replies go to.
        kind: `tts` or `stt`.
        name: Unique among the workers of this kind.
        work: What to do with a request.
    """

    def __init__(self, bus: EventBus, lane: MediaLane, kind: str, name: str, work: AudioWork) -> None:
        self._lane = lane
        self._kind = kind
        self._name = name
        self._work = work
        self._requests = RequestLoop(bus, kind, name, self._serve, SERVED_AT_ONCE, settled_first=True)
        self.run, self.leave = self._requests.run, self._requests.leave

    async def _serve(self, delivery: TaskDelivery) -> None:
        try:
            request = _request_of(delivery)
            if request is None:
                await delivery.ack()
                return
            _, offered = await asyncio.gather(
                delivery.ack(), patiently(lambda: self._lane.take(request.gateway, request.request_id))
            )
            if offered is None:
                _log.info("request_too_late", kind=self._kind, request=request.request_id)
            else:
                await self._reply(request, offered)
        except BusUnavailable as error:
            # Who asked hears nothing from us, and goes on without.
            _log.warning("request_given_up", kind=self._kind, error=str(error))
            # If it was not acknowledged it is not to stay in our hands: it comes again, and is acknowledged then.
            await delivery.nack(0.0)
        except Exception:  # noqa: BLE001 - the outermost loop: whatever one request does, the rest is served
            _log.exception("request_failed", kind=self._kind)

    async def _reply(self, request: AudioRequest, offered: bytes) -> None:
        """Work, and tell that we are at it until it is done, or nobody wants it any more."""
        working = asyncio.create_task(self._work_through(request, offered), name=f"{self._name}-work")
        try:
            while not working.done() and await self._send(request, 0, Alive(self._name)):
                await asyncio.wait([working], timeout=BEAT_S)
        finally:
            working.cancel()
            await asyncio.wait([working])
        if not working.cancelled() and (error := working.exception()) is not None:
            raise error

    async def _work_through(self, request: AudioRequest, offered: bytes) -> None:
        """Send all replies, the last one saying how it ended."""
        number = 0
        last: Reply = Finished()
        deadline = asyncio.get_running_loop().time() + request.wanted_in_s
        try:
            async with aclosing(self._work(request, offered, deadline)) as replies:
                async for reply in replies:
                    if not await self._send(request, number, reply):
                        return
                    number += 1
        except BusUnavailable:
            raise
        except Overloaded as error:
            last = Failed(str(error), overloaded=True)
        except (VoiceFailed, RecogniserFailed) as error:
            last = Failed(str(error))
        except Exception as error:  # noqa: BLE001 - whatever a model does, who asked is told at once
            _log.exception("request_failed", kind=self._kind)
            last = Failed(f"{type(error).__name__}: {error}")
        await self._send(request, number, last)

    async def _send(self, request: AudioRequest, number: int, reply: Reply) -> bool:
        # Sent twice it is taken once, by its number.
        message = LaneMessage(request.request_id, number, reply)
        return await patiently(lambda: self._lane.send(request.gateway, message))


def _request_of(delivery: TaskDelivery) -> AudioRequest | None:
    try:
        return msgspec.convert(delivery.envelope.payload, AudioRequest)
    except msgspec.ValidationError as error:
        _log.warning("request_unreadable", event_type=delivery.envelope.event_type, error=str(error))
        return None


async def _joined(pieces: AsyncIterator[SpeechPiece]) -> AsyncGenerator[SpeechPiece, None]:
    """Yield speech in pieces of at least `SENT_S`, but for the last."""
    pcm, words, rate_hz = b"", tuple[SpokenWord, ...](), 16_000
    try:
        async for piece in pieces:
            pcm, words, rate_hz = pcm + piece.pcm, words + piece.words, piece.rate_hz
            if len(pcm) / 2 / rate_hz >= SENT_S:
                yield SpeechPiece(pcm=pcm, rate_hz=rate_hz, words=words)
                pcm, words = b"", ()
    finally:
        # Not when it is collected as garbage: the voice is to stop now.
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()
    if pcm:
        yield SpeechPiece(pcm=pcm, rate_hz=rate_hz, words=words)
