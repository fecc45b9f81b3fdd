"""The workers of other processes, as one gateway asks them: a request is put before all, one answers by the lane."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

import structlog

from adapters.bus.port import BusUnavailable, EventBus
from adapters.lane.port import BEAT_S, LANE_S, Alive, Failed, Finished, Heard, LaneMessage, MediaLane, Reply, Spoken
from statecharts.events import Envelope, VoicechartError

__all__ = ["WorkerLost", "WorkerPool"]

_log = structlog.get_logger()

SILENCE_S = 3 * BEAT_S
"""A worker that tells nothing for so long is taken for dead, and so is a pool where nobody takes a request."""
ATTEMPTS = 2
"""A request whose worker died before anything came of it is put before the others once more: a call must not lose the
better voice, for all the rest of it, with one of many processes. With both in vain a voice has failed after 1.5 s."""
CATCH_UP_S = 0.05
"""Time for what has arrived while this process itself stood still."""
HELD_REPLIES = 1000
"""Replies to one request that are kept until they are asked for: 100 s and more of speech."""
WITHDRAWN_HELD = 10_000


class WorkerLost(VoicechartError):
    """Nobody serves the request, or nobody does any more.

    Attributes:
        worker: Who had taken it, and fell silent.
    """

    def __init__(self, message: str, worker: str = "") -> None:
        super().__init__(message)
        self.worker = worker


class WorkerPool:
    """The tts and stt workers, for the calls of one gateway.

    Args:
        bus: Takes the requests, and tells who is alive.
        lane: Takes what they need, and brings the replies.
    """

    def __init__(self, bus: EventBus, lane: MediaLane) -> None:
        self._bus = bus
        self._lane = lane
        self._gateway = ""
        self._waiting: dict[str, _Waiting] = {}
        self._over: asyncio.Queue[str] = asyncio.Queue(WITHDRAWN_HELD)

    async def run(self, gateway: str, on_late: Callable[[], None]) -> None:
        """Bring replies to those who wait for them, until cancelled.

        Args:
            gateway: The name of the lane.
            on_late: Told of each piece or words that nobody waits for any more.
        """
        self._gateway = gateway
        async with asyncio.TaskGroup() as group:
            group.create_task(self._withdraw(), name="lane-withdrawer")
            async for message in self._lane.listen(gateway):
                waiting = self._waiting.get(message.request_id)
                if waiting is not None:
                    waiting.note(message)
                elif isinstance(message.reply, Spoken | Heard):
                    on_late()

    async def ask(
        self, kind: str, payload: Mapping[str, object], offered: bytes, deadline: float
    ) -> AsyncGenerator[Reply, None]:
        """Have a request served; yield the replies to it. Who stops listening has it stopped.

        Args:
            kind: Of worker.
            payload: Of the request, as JSON.
            offered: What the worker fetches by the lane.
            deadline: Event-loop time by which the first reply is wanted.

        Raises:
            WorkerLost: Nobody serves it.
        """
        for left in reversed(range(ATTEMPTS)):
            begun = False
            try:
                async with aclosing(self._attempt(kind, payload, offered, deadline)) as replies:
                    async for reply in replies:
                        begun = True
                        yield reply
                return
            except BusUnavailable as error:
                # Not known whether the request was put: it is withdrawn, another one takes its place.
                if not left:
                    raise WorkerLost(f"no {kind} worker can be asked: {error}") from error
            except WorkerLost as error:
                if begun or not left or not await self._others_than(error.worker, kind):
                    raise
                _log.warning("asked_another_worker", kind=kind, error=str(error))

    async def _others_than(self, worker: str, kind: str) -> bool:
        if not worker:  # nobody took it: there is no reason to ask the same again
            return False
        try:
            return bool(set(await self._bus.members(kind)) - {worker})
        except BusUnavailable:
            return False

    async def _attempt(
        self, kind: str, payload: Mapping[str, object], offered: bytes, deadline: float
    ) -> AsyncGenerator[Reply, None]:
        request_id = str(uuid.uuid4())
        wanted_in_s = max(0.0, deadline - asyncio.get_running_loop().time())
        waiting = self._waiting[request_id] = _Waiting(kind, wanted_in_s)
        try:
            await self._put(kind, request_id, payload, offered, wanted_in_s)
            while not isinstance(reply := await waiting.next(), Finished):
                yield reply
        finally:
            del self._waiting[request_id]
            # By another task: who stops listening must not have to wait for that, nor be able to cancel it.
            if not self._over.full():  # else it expires
                self._over.put_nowait(request_id)

    async def _put(
        self, kind: str, request_id: str, payload: Mapping[str, object], offered: bytes, wanted_in_s: float
    ) -> None:
        request = Envelope(
            event_type=f"voice.{kind}.request",
            # Not the call's: workers need not know whose words these are, and of a call that is erased nothing is left.
            session_id=request_id,
            payload={"gateway": self._gateway, "request_id": request_id, "wanted_in_s": wanted_in_s, **payload},
            event_id=request_id, correlation_id=request_id, timestamp=time.time(), source=self._gateway,
        )  # fmt: skip
        keep_s = min(LANE_S, wanted_in_s + SILENCE_S)
        alive, _ = await asyncio.gather(
            self._bus.members(kind), self._lane.offer(self._gateway, request_id, offered, keep_s)
        )
        if not alive:
            raise WorkerLost(f"no {kind} worker is alive; start one with `./run worker {kind}`")
        await self._bus.request(kind, request)

    async def _withdraw(self) -> None:
        while True:
            over = {await self._over.get()}
            while not self._over.empty():
                over.add(self._over.get_nowait())
            try:
                await self._lane.withdraw(self._gateway, *over)
            except BusUnavailable as error:
                _log.debug("requests_not_withdrawn", requests=len(over), error=str(error))


class _Waiting:
    """Who waits for the replies to one request."""

    def __init__(self, kind: str, wanted_in_s: float) -> None:
        self._kind = kind
        self._loop = asyncio.get_running_loop()
        # Its bound is kept in `note`, where what is too much must not keep the end of it out.
        self._replies: asyncio.Queue[Reply] = asyncio.Queue()
        self._silent_at = self._loop.time() + max(SILENCE_S, wanted_in_s)
        self._next = 0
        self._worker = ""
        self._broken = False

    def note(self, message: LaneMessage) -> None:
        """Take a reply in."""
        self._silent_at = self._loop.time() + SILENCE_S
        if isinstance(message.reply, Alive):
            self._worker = message.reply.worker
        if isinstance(message.reply, Alive) or self._broken or message.number < self._next:
            return
        if message.number > self._next or self._replies.qsize() >= HELD_REPLIES:
            self._broken = True
            self._replies.put_nowait(Failed(f"a part of what the {self._kind} worker sent is lost"))
        else:
            self._next += 1
            self._replies.put_nowait(message.reply)

    async def next(self) -> Reply:
        """Return the next reply that says something.

        Raises:
            WorkerLost: Nobody has taken the request in time, or the worker is silent.
        """
        while self._replies.empty():
            try:
                async with asyncio.timeout_at(self._silent_at):
                    return await self._replies.get()
            except TimeoutError:
                await asyncio.sleep(CATCH_UP_S)
                # A worker that is at it, but has nothing to tell yet, moves the time without waking anybody.
                if self._replies.empty() and self._loop.time() >= self._silent_at:
                    raise self._lost() from None
        return self._replies.get_nowait()

    def _lost(self) -> WorkerLost:
        if self._worker:
            return WorkerLost(f"{self._worker} is silent for {SILENCE_S:g} s", self._worker)
        return WorkerLost(f"no {self._kind} worker took the request in time")
