"""How batches of the log are taken: one partition after the other would wait for the server most of the time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine

from adapters.bus.port import Batch

__all__ = ["SideBySide"]


class SideBySide:
    """Takes batches: those of different partitions at the same time, those of one partition in order.

    A commit is on its way for a fifth of a millisecond and more, and 16 of them together cost 40 µs of CPU each instead
    of 110 one by one.

    Batches of a partition are read ahead. When one of them cannot be taken, those behind it are worth nothing: they are
    passed over, until the bus announces the partition again with an empty batch.

    Args:
        take: What is done with a batch; returns whether it was taken.
    """

    def __init__(self, take: Callable[[Batch], Coroutine[None, None, bool]]) -> None:
        self._take = take
        self._running: dict[int, asyncio.Task[None]] = {}
        self._astray: set[int] = set()
        self._stopped = False

    async def take_all(self, group: asyncio.TaskGroup, batches: AsyncIterator[Batch]) -> None:
        """Take what comes, in tasks of a group, until nothing comes any more; return when all of it is taken."""
        async for batch in batches:
            partition = batch.lease.partition
            running = self._running.get(partition)
            if running is not None and not running.done():
                await asyncio.wait([running])
            if not batch.entries:
                self._astray.discard(partition)
            if not self._stopped and partition not in self._astray:
                self._running[partition] = group.create_task(self._take_one(batch), name=f"partition-{partition}")
        await self._until_taken()

    async def stop(self) -> None:
        """Take no more; return when what was begun is done."""
        self._stopped = True
        await self._until_taken()

    async def _take_one(self, batch: Batch) -> None:
        if not await self._take(batch):
            self._astray.add(batch.lease.partition)

    async def _until_taken(self) -> None:
        if running := [task for task in self._running.values() if not task.done()]:
            await asyncio.wait(running)
