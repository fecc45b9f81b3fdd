"""Takes the requests of one kind from the bus, some at the same time: what all workers have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import aclosing

import structlog

from adapters.bus.port import BusUnavailable, EventBus, Subscription, TaskDelivery
from app.presence import stay_present

__all__ = ["RequestLoop"]

_log = structlog.get_logger()


class RequestLoop:
    """One worker's requests.

    Args:
        bus: Where they come from.
        kind: Which.
        name: Unique among the workers of this kind.
        serve: Leads a request to its end.
        at_once: Requests in work at the same time.
        settled_first: Whether `serve` settles a request before it works: then, on leaving, nothing is held any more.
    """

    def __init__(
        self, bus: EventBus, kind: str, name: str, serve: Callable[[TaskDelivery], Coroutine[object, object, None]],
        at_once: int, *, settled_first: bool = False,
    ) -> None:  # fmt: skip
        self._bus = bus
        self._kind = kind
        self._name = name
        self._serve = serve
        self._settled_first = settled_first
        self._free = asyncio.Semaphore(at_once)
        self._in_work: set[asyncio.Task[None]] = set()
        self._standing: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Take requests until cancelled, or until it has left."""
        async with aclosing(self._bus.subscribe(self._kind, self._name)) as requests, asyncio.TaskGroup() as group:
            self._standing = [
                group.create_task(stay_present(self._bus, self._kind, self._name), name=f"{self._name}-presence"),
                group.create_task(self._take(requests, group), name=f"{self._name}-taking"),
            ]

    async def leave(self) -> None:
        """Take no more requests, and return when those in work are served."""
        for task in self._standing:
            task.cancel()
        await asyncio.gather(*self._standing, return_exceptions=True)
        try:
            await self._bus.announce(self._kind, self._name, 0.0)
        except BusUnavailable as error:
            _log.debug("leave_not_announced", kind=self._kind, error=str(error))
        if self._in_work:
            await asyncio.wait(self._in_work)

    async def _take(self, requests: Subscription, group: asyncio.TaskGroup) -> None:
        try:
            # Only with a hand free: what one worker holds and does not serve no other can take.
            await self._free.acquire()
            async for delivery in requests:
                serving = group.create_task(self._serve(delivery), name=f"{self._name}-request")
                self._in_work.add(serving)
                serving.add_done_callback(self._done)
                await self._free.acquire()
        finally:
            if self._settled_first:
                await requests.aclose()

    def _done(self, serving: asyncio.Task[None]) -> None:
        self._in_work.discard(serving)
        self._free.release()
