"""Competing workers in memory: requests handed out, given back, put aside."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Self

from msgspec import Struct

from adapters.bus.held_request import HeldRequest
from statecharts.events import Envelope

if TYPE_CHECKING:
    from adapters.bus.memory import MemoryBus

__all__ = ["MemorySubscription", "Task"]


class Task(Struct):
    """A request, until it is settled."""

    number: int
    envelope: Envelope
    attempts: int = 0
    free_at: float = 0.0
    """Event-loop time from which it may be handed out (again)."""
    until: float = math.inf
    """Event-loop time from which nobody waits for it any more."""
    held: bool = False
    """Whether it is in the hands of a worker that lives."""
    orphan: bool = False
    """Whether it was in the hands of one that died."""


class MemorySubscription:
    """One worker's place among those of its kind."""

    def __init__(self, bus: MemoryBus, kind: str) -> None:
        self._bus = bus
        self._kind = kind
        self._held: dict[int, Task] = {}
        self._alone = 0
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> HeldRequest[Task]:
        loop = asyncio.get_running_loop()
        while not self._closed:
            now = loop.time()
            open_tasks = [task for task in self._bus.tasks[self._kind].values() if not task.held and task.until > now]
            free = next((task for task in open_tasks if task.free_at <= now and self._may_take(task)), None)
            if free is not None:
                return self._hand_out(free)
            coming = [task.free_at for task in open_tasks if task.free_at > now]
            await self._bus.wait_for_change(min(coming, default=now + self._bus.min_idle_s) - now, (self._kind,))
        raise StopAsyncIteration

    def freeze(self) -> None:
        """Give no sign of life any more, as a process that was stopped would; for tests."""
        self._lose(asyncio.get_running_loop().time() + self._bus.min_idle_s)

    async def aclose(self) -> None:
        """Take no more; what is in our hands is for the others at once."""
        if not self._closed:
            self._closed = True
            self._lose(0.0)
            self._bus.ring(self._kind)

    def _lose(self, free_at: float) -> None:
        for task in self._held.values():
            task.held, task.orphan, task.free_at = False, True, free_at
        self._held.clear()

    def _may_take(self, task: Task) -> bool:
        """What ended two workers may end a third: it is taken alone."""
        return not (self._alone and task.orphan and task.attempts >= 2)

    def _hand_out(self, task: Task) -> HeldRequest[Task]:
        if task.orphan and task.attempts >= 2:
            self._alone = task.number
        task.attempts += 1
        task.held, task.orphan = True, False
        self._held[task.number] = task
        return HeldRequest(self, task, task.envelope, task.attempts, self._bus.clock)

    # --- for its deliveries

    async def settle(self, place: Task) -> None:
        self._take_out(place)

    async def put_aside(self, place: Task, letter: Envelope) -> None:
        if self._take_out(place):
            self._bus.dead.append(letter)

    async def give_back(self, place: Task, attempts: int, delay_s: float) -> None:
        if self._held.get(place.number) is place:
            place.held, place.free_at = False, asyncio.get_running_loop().time() + delay_s
        self._forget(place)
        self._bus.ring(self._kind)

    def _take_out(self, task: Task) -> bool:
        """Return whether it was still there: somebody else may be done with it."""
        self._forget(task)
        return self._bus.tasks[self._kind].pop(task.number, None) is not None

    def _forget(self, task: Task) -> None:
        self._held.pop(task.number, None)
        if self._alone == task.number:
            self._alone = 0
            self._bus.ring(self._kind)
