"""An event loop for simulations: virtual time, an order of the seed's choosing, and processes that freeze and die.

Nothing waits: when nothing is ready, time jumps to the next timer. Every callback belongs to the simulated process in
whose context it was scheduled; tasks inherit it from the task that made them. What is ready at one moment is run in an
order that the seed chooses, except that callbacks of one process keep theirs: asyncio promises that, and code may count
on it. A frozen process runs nothing until it is thawed, and finds its timers overdue then; a killed one never runs
again, so that no `finally` of it cleans up: as after SIGSTOP and SIGKILL.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar, copy_context
from random import Random
from typing import TypeVar, TypeVarTuple

__all__ = ["EPOCH_S", "Process", "SimulatedLoop", "Stuck"]

EPOCH_S = 1_000_000_000.0
"""Unix time at which virtual time is 0: any, but no time of a call may be 0, which means "not yet"."""
TICK_S = 1e-9
"""What a jump takes at least: code that waits for the last bit of a float would wait for ever."""
ROUNDS = 200_000
"""More rounds than any honest run takes: beyond, something spins."""

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class Stuck(Exception):
    """The run cannot come to its end: nothing is left that could happen, or something spins."""


class Process:
    """What freezes and dies as one; outside of any is the world itself, which does neither."""

    __slots__ = ("alive", "context", "frozen", "name", "on_silence", "parked")

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.frozen = False
        self.parked: list[_Due] = []
        self.on_silence: list[Callable[[], None]] = []
        """Called when it gives no sign of life for so long that what it holds is handed to others."""
        self.context = copy_context()
        self.context.run(_PROCESS.set, self)


class _Due:
    """A callback that waits for its turn: a handle, as asyncio uses it; its own cost twice as much to make."""

    __slots__ = ("args", "callback", "context", "off", "process")

    def __init__(self, callback: Callable[..., object], args: tuple[object, ...], context: Context) -> None:
        self.callback = callback
        self.args = args
        self.context = context
        self.process = context.get(_PROCESS)
        self.off = False

    def cancel(self) -> None:
        """Let it not be called."""
        self.off = True
        self.args = ()

    def cancelled(self) -> bool:
        """Whether it is not to be called."""
        return self.off


_PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


class SimulatedLoop(asyncio.BaseEventLoop):
    """A loop without files, threads or a clock.

    Args:
        random: Chooses the order of what could happen in any.
    """

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._random = random
        self._now = 0.0
        self._number = 0
        self._soon: list[_Due] = []
        self._later: list[tuple[float, int, _Due]] = []
        self._tasks: list[asyncio.Task[object]] = []
        """All there ever were: a task that nobody refers to is ended by the collector, whenever it pleases."""
        self.outside = copy_context()
        """The context of the world itself: what is scheduled in it belongs to no process."""

    def time(self) -> float:
        """Return the virtual seconds since this loop was made."""
        return self._now

    def unix_time(self) -> float:
        """Return the time as facts are stamped with it."""
        return EPOCH_S + self._now

    # --- what asyncio asks of a loop

    def call_soon(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        handle = _Due(callback, args, copy_context() if context is None else context)
        self._soon.append(handle)
        return handle  # type: ignore[return-value]  # all that asyncio asks of one

    def call_at(
        self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = _Due(callback, args, copy_context() if context is None else context)
        self._number += 1
        heapq.heappush(self._later, (when, self._number, handle))
        return handle  # type: ignore[return-value]  # all that asyncio asks of one

    def call_later(
        self, delay: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        # As `call_at`; most timers are set here, and one call less for each can be measured.
        handle = _Due(callback, args, copy_context() if context is None else context)
        self._number += 1
        heapq.heappush(self._later, (self._now + delay, self._number, handle))
        return handle  # type: ignore[return-value]  # all that asyncio asks of one

    def create_task(
        self, coro: Generator[asyncio.Future[object] | None, None, _T] | Coroutine[object, object, _T], *,
        name: object = None, context: Context | None = None,
    ) -> asyncio.Task[_T]:  # fmt: skip
        task = asyncio.Task(coro, loop=self, name=str(name), context=context)
        self._tasks.append(task)
        return task

    def get_debug(self) -> bool:
        return False

    def complete(self, main: Coroutine[object, object, _T]) -> _T:
        """Run until a coroutine of the world itself has ended; return what it returns.

        Raises:
            Stuck: It never would.
        """
        task = self.create_task(main, context=self.outside)
        self._run_until([task])
        return task.result()

    def end_all(self) -> None:
        """Cancel all that has not ended, and run until it has."""
        left = [task for task in self._tasks if not task.done()]
        for task in left:
            task.cancel()
        self._run_until(left)

    # --- processes

    def spawn(self, process: Process, work: Coroutine[object, object, None], name: str) -> asyncio.Task[None]:
        """Start a task inside a process."""
        return self.create_task(work, name=name, context=process.context)

    def freeze(self, process: Process, seconds: float) -> None:
        """Let a process run nothing for a while."""
        process.frozen = True
        self.call_later(seconds, self.thaw, process, context=self.outside)

    def thaw(self, process: Process) -> None:
        """Let a process run on, with all that has become due meanwhile."""
        process.frozen = False
        self._soon += process.parked
        process.parked.clear()

    def kill(self, process: Process) -> None:
        """Let a process never run again."""
        process.alive = False

    def _run_until(self, tasks: list[asyncio.Task[_T]]) -> None:
        """Run round by round, until these tasks have ended."""
        asyncio._set_running_loop(self)
        try:
            for _ in range(ROUNDS):
                while tasks and tasks[-1].done():
                    tasks.pop()
                if not tasks:
                    return
                for handle in self._next_round():
                    process = handle.process
                    if process is not None and (process.frozen or not process.alive):
                        process.parked.append(handle)
                    elif not handle.off:
                        handle.context.run(handle.callback, *handle.args)
            raise Stuck(f"{ROUNDS} rounds, and no end: something spins")
        finally:
            asyncio._set_running_loop(None)

    def _next_round(self) -> list[_Due]:
        """Return what is ready now; if nothing is, what is due next."""
        later, ready = self._later, self._soon
        while later and later[0][2].off:
            heapq.heappop(later)
        if not ready:
            if not later:
                raise Stuck("no timer runs and nothing is ready: everything waits for what cannot happen any more")
            self._now = max(later[0][0], self._now + TICK_S)
        while later and later[0][0] <= self._now:
            ready.append(heapq.heappop(later)[2])
        self._soon = []
        return ready if len(ready) == 1 else self._mixed(ready)

    def _mixed(self, ready: list[_Due]) -> list[_Due]:
        """Return the same callbacks in another order, in which each process keeps its own."""
        if len(ready) == 2:
            first, second = ready
            return ready if first.process is second.process or self._random.random() < 0.5 else [second, first]
        order = [handle.process for handle in ready]
        if order.count(order[0]) == len(order):
            return ready
        queues: dict[Process | None, deque[_Due]] = {}
        for handle in ready:
            queues.setdefault(handle.process, deque()).append(handle)
        self._random.shuffle(order)
        return [queues[process].popleft() for process in order]
