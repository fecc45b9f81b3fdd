"""Competing workers in memory: requests handed out, given back, put aside."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Self

from msgspec import Struct

from adapters.bus.codec import dead_letter
from statecharts.events import Envelope

if TYPE_CHECKING:
    from adapters.bus.memory import MemoryBus

__all__ = ["MIN_IDLE_S", "MemoryDelivery", "MemorySubscription", "Task"]

MIN_IDLE_S = 1.0
"""A request whose worker gives no sign of life for so long is handed to another."""


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

    async def __anext__(self) -> MemoryDelivery:
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

    def _hand_out(self, task: Task) -> MemoryDelivery:
        if task.orphan and task.attempts >= 2:
            self._alone = task.number
        task.attempts += 1
        task.held, task.orphan = True, False
        self._held[task.number] = task
        return MemoryDelivery(self, task, task.attempts)

    # --- for its deliveries

    async def settle(self, task: Task) -> bool:
        """A request is done with; False if somebody else was."""
        self._forget(task)
        there = self._bus.tasks[self._kind].pop(task.number, None) is not None
        self._bus.ring(self._kind)
        return there

    async def put_aside(self, task: Task, error: str, attempts: int) -> Envelope:
        """A request is done with, and kept for a person."""
        letter = dead_letter(task.envelope, error, attempts, self._bus.clock())
        if await self.settle(task):
            self._bus.dead.append(letter)
        return letter

    async def give_back(self, task: Task, delay_s: float) -> None:
        """A request may be handed out again after a while."""
        if self._held.get(task.number) is task:
            task.held, task.free_at = False, asyncio.get_running_loop().time() + delay_s
        self._forget(task)
        self._bus.ring(self._kind)

    def _forget(self, task: Task) -> None:
        self._held.pop(task.number, None)
        if self._alone == task.number:
            self._alone = 0


class MemoryDelivery:
    """One request in one worker's hands."""

    def __init__(self, subscription: MemorySubscription, task: Task, attempts: int) -> None:
        self._subscription = subscription
        self._task = task
        self._attempts = attempts

    @property
    def envelope(self) -> Envelope:
        return self._task.envelope

    @property
    def attempts(self) -> int:
        return self._attempts

    async def ack(self) -> None:
        await self._subscription.settle(self._task)

    async def nack(self, delay_s: float) -> None:
        await self._subscription.give_back(self._task, delay_s)

    async def dead_letter(self, error: str) -> Envelope:
        return await self._subscription.put_aside(self._task, error, self._attempts)
