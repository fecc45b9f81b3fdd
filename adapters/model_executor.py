"""Threads for a blocking model: a bounded queue, the most urgent job first, and never a blocked event loop."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Generic, Protocol, TypeVar

__all__ = ["ExecutorFull", "ModelExecutor"]

_T = TypeVar("_T")

HELD_PIECES = 8
"""Pieces a generator may be ahead of its consumer; then it waits, and its thread serves others."""


class ExecutorFull(Exception):
    """As many jobs wait as the queue holds."""


class _Job(Protocol):
    """What a thread can do next."""

    def work(self) -> None: ...

    def refuse(self, error: BaseException) -> None: ...


class ModelExecutor:
    """Named threads that run one model's jobs, earliest deadline first.

    A generator gives its thread back after every piece, so that a long sentence of one call does not hold up the first
    sound of another.

    Args:
        name: Of the threads, for whoever looks at a stack.
        threads: How many jobs run at once.
        capacity: How many more may wait; beyond that a new job is refused.
    """

    def __init__(self, name: str, *, threads: int, capacity: int) -> None:
        self._capacity = capacity
        self._jobs: list[tuple[float, int, _Job]] = []
        self._order = itertools.count()
        self._free = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, function: Callable[[], _T], *, deadline: float = 0.0) -> _T:
        """Run a function on a thread and return what it returns; a cancelled await drops it if it still waits.

        Raises:
            ExecutorFull: Too many jobs wait.
            RuntimeError: The executor is closed.
        """
        call = _Call(function)
        self._add(call, deadline)
        try:
            return await call.done
        finally:
            if call.done.cancelled():
                self._drop(call)

    async def stream(
        self,
        make: Callable[[], Iterator[_T]],
        *,
        deadline: float = 0.0,
        seconds: Callable[[_T], float] = lambda _piece: 0.0,
    ) -> AsyncIterator[_T]:
        """Run a generator on the threads and yield its pieces; when the consumer stops, it stops between two pieces.

        Args:
            make: Makes the generator, on a thread.
            deadline: When its first piece is wanted.
            seconds: How much later than a piece the next one is wanted.

        Raises:
            ExecutorFull: Too many jobs wait.
            RuntimeError: The executor is closed.
        """
        stream = _Stream(make, deadline, seconds, self._go_on)
        self._add(stream, deadline)
        try:
            while (piece := await stream.take()) is not None:
                yield piece
        finally:
            stream.stopped = True
            self._drop(stream)

    def close(self) -> None:
        """Refuse what waits, let what runs end, and join the threads."""
        with self._free:
            self._closed = True
            waiting, self._jobs = self._jobs, []
            self._free.notify_all()
        for _, _, job in waiting:
            job.refuse(_closed())
        for thread in self._threads:
            thread.join(timeout=10)

    def _add(self, job: _Job, deadline: float) -> None:
        with self._free:
            if self._closed:
                raise _closed()
            if len(self._jobs) >= self._capacity:
                raise ExecutorFull(f"{len(self._jobs)} jobs wait already")
            self._queue(job, deadline)

    def _go_on(self, job: _Job, deadline: float) -> None:
        """Take back a job that was begun: it is never one too many."""
        with self._free:
            if not self._closed:
                self._queue(job, deadline)
                return
        job.refuse(_closed())

    def _drop(self, unwanted: _Job) -> None:
        # A job that nobody waits for must not take the place of one that somebody does.
        with self._free:
            kept = [waiting for waiting in self._jobs if waiting[2] is not unwanted]
            if len(kept) < len(self._jobs):
                self._jobs = kept
                heapq.heapify(self._jobs)

    def _queue(self, job: _Job, deadline: float) -> None:
        heapq.heappush(self._jobs, (deadline, next(self._order), job))
        self._free.notify()

    def _work(self) -> None:
        while True:
            with self._free:
                while not self._jobs and not self._closed:
                    self._free.wait()
                if self._closed:
                    return
                _, _, job = heapq.heappop(self._jobs)
            job.work()


class _Call(Generic[_T]):
    """A function, and who waits for its result."""

    def __init__(self, function: Callable[[], _T]) -> None:
        self._function = function
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[_T] = self._loop.create_future()

    def work(self) -> None:
        if self.done.cancelled():
            return
        try:
            result = self._function()
        except BaseException as error:  # noqa: BLE001 - handed to whoever awaits
            self.refuse(error)
        else:
            _tell(self._loop, _finish, self.done, result)

    def refuse(self, error: BaseException) -> None:
        _tell(self._loop, _fail, self.done, error)


class _Stream(Generic[_T]):
    """A generator, its pieces on their way to the consumer, and when the next one is wanted."""

    def __init__(
        self,
        make: Callable[[], Iterator[_T]],
        deadline: float,
        seconds: Callable[[_T], float],
        go_on: Callable[[_Job, float], None],
    ) -> None:
        self._make = make
        self._made: Iterator[_T] | None = None
        self._deadline = deadline
        self._seconds = seconds
        self._go_on = go_on
        self._loop = asyncio.get_running_loop()
        self._pieces: asyncio.Queue[_T | BaseException | None] = asyncio.Queue()
        self._room = HELD_PIECES
        self._counting = threading.Lock()
        self.stopped = False

    def work(self) -> None:
        """Make the next piece, and queue again unless the consumer has enough."""
        if self.stopped:
            return
        try:
            if self._made is None:
                self._made = self._make()
            piece = next(self._made)
        except StopIteration:
            _tell(self._loop, self._pieces.put_nowait, None)
            return
        except BaseException as error:  # noqa: BLE001 - handed to whoever awaits
            self.refuse(error)
            return
        self._deadline += self._seconds(piece)
        _tell(self._loop, self._pieces.put_nowait, piece)
        with self._counting:
            self._room -= 1
            more = self._room > 0
        if more:
            self._go_on(self, self._deadline)

    def refuse(self, error: BaseException) -> None:
        _tell(self._loop, self._pieces.put_nowait, error)

    async def take(self) -> _T | None:
        """Return the next piece; None after the last."""
        piece = await self._pieces.get()
        if piece is None:
            return None
        if isinstance(piece, BaseException):
            raise piece
        with self._counting:
            was_full = self._room == 0
            self._room += 1
        if was_full:
            self._go_on(self, self._deadline)
        return piece


def _closed() -> RuntimeError:
    return RuntimeError("the model is closed")


def _tell(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *args: object) -> None:
    try:
        loop.call_soon_threadsafe(function, *args)
    except RuntimeError:
        # The loop has ended meanwhile: nobody waits any more.
        return


def _finish(done: asyncio.Future[_T], result: _T) -> None:
    if not done.done():
        done.set_result(result)


def _fail(done: asyncio.Future[_T], error: BaseException) -> None:
    if not done.done():
        done.set_exception(error)
