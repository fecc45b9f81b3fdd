"""A gateway's pool and its workers in one process, some of which are not heard of again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

from adapters.lane.pool import WorkerPool
from adapters.lane.port import Alive, LaneMessage, Reply
from adapters.voices.port import SpeechPiece
from app.workers_audio import AudioWork, AudioWorker
from tests.adapters.bus.steps import WITHIN_S
from tests.adapters.lane.conftest import Beside
from tests.fakes import sound

__all__ = ["GATEWAY", "EndlessVoice", "Staff", "staffed", "until"]

GATEWAY = "gateway-test"


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not holds():
            await asyncio.sleep(0.005)


class EndlessVoice:
    """Speaks until nobody listens any more.

    Attributes:
        made: How many pieces it has made.
        stopped: Set when nobody listens any more.
    """

    name = "endless"

    def __init__(self) -> None:
        self.made = 0
        self.stopped = asyncio.Event()

    async def synthesise(self, text: str, *, deadline: float = 0.0) -> AsyncIterator[SpeechPiece]:
        try:
            while True:
                self.made += 1
                yield SpeechPiece(pcm=sound(0.2), rate_hz=16_000)
                await asyncio.sleep(0.01)
        finally:
            self.stopped.set()

    def close(self) -> None:
        """It holds nothing."""


class Staff:
    """One gateway's pool, and the workers that were hired.

    Attributes:
        late: How many replies came too late.
        lost: How many requests were taken by workers that were not heard of again.
    """

    def __init__(self, beside: Beside) -> None:
        self.beside = beside
        self.pool = WorkerPool(beside.bus, beside.lane)
        self.late = self.lost = 0
        self._running: list[asyncio.Task[None]] = [self._begin(self.pool.run(GATEWAY, self._count_late))]

    async def hire(self, kind: str, work: AudioWork) -> AudioWorker:
        """Have a worker at work."""
        name = f"{kind}-{len(self._running)}"
        worker = AudioWorker(self.beside.bus, self.beside.lane, kind, name, work)
        self._running.append(self._begin(worker.run()))
        async with asyncio.timeout(WITHIN_S):
            while name not in await self.beside.bus.members(kind):
                await asyncio.sleep(0.005)
        return worker

    async def hire_mortal(
        self, kind: str, *replies: Reply, numbers: tuple[int, ...] = (0, 1, 2, 3), deaths: int = 3
    ) -> None:
        """Have workers that take a request each, send these replies, and are not heard of again: killed, or cut off."""
        for number in range(deaths):
            name = f"mortal-{number}"
            await self.beside.bus.announce(kind, name, 600.0)
            self._running.append(self._begin(self._die(kind, name, replies, numbers)))

    async def _die(self, kind: str, name: str, replies: tuple[Reply, ...], numbers: tuple[int, ...]) -> None:
        deliveries = self.beside.bus.subscribe(kind, name)
        async for delivery in deliveries:
            self.lost += 1
            await delivery.ack()
            request_id = str(delivery.envelope.payload["request_id"])
            await self.beside.lane.send(GATEWAY, LaneMessage(request_id, 0, Alive(name)))
            for number, reply in zip(numbers, replies, strict=False):
                await self.beside.lane.send(GATEWAY, LaneMessage(request_id, number, reply))
            return

    async def close(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _begin(self, run: Coroutine[object, object, None]) -> asyncio.Task[None]:
        return asyncio.create_task(run)

    def _count_late(self) -> None:
        self.late += 1


@asynccontextmanager
async def staffed(beside: Beside) -> AsyncIterator[Staff]:
    made = Staff(beside)
    try:
        yield made
    finally:
        await made.close()
