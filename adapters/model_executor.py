"""Threads for a blocking model: a bounded queue, the most urgent job first, and never a blocked event loop."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeVar

__all__ = ["ExecutorFull", "ModelExecutor"]

_T = TypeVar("_T")

HELD_PIECES = 8
"""Pieces a generator may be ahead of its consumer; then its thread waits."""


class ExecutorFull(Exception):
    """As many jobs wait as the queue holds."""


class ModelExecutor:
    """Named threads that run one model's jobs, earliest deadline first.

    Args:
        name: Of the threads, for whoever looks at a stack.
        threads: How many jobs run at once.
        capacity: How many more may wait; beyond that a job is refused.
    """

    def __init__(self, name: str, *, threads: int, capacity: int) -> None:
        self._capacity = capacity
        self._jobs: list[tuple[float, int, Callable[[], None]]] = []
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
        loop = asyncio.get_running_loop()
        done: asyncio.Future[_T] = loop.create_future()

        def job() -> None:
            if done.cancelled():
                return
            try:
                result = function()
            except BaseException as error:  # noqa: BLE001 - handed to whoever awaits
                _tell(loop, _fail, done, error)
            else:
                _tell(loop, _finish, done, result)

        self._add(job, deadline)
        try:
            return await done
        finally:
            if done.cancelled():
                self._drop(job)

    async def stream(self, make: Callable[[], Iterator[_T]], *, deadline: float = 0.0) -> AsyncIterator[_T]:
        """Run a generator on a thread and yield its pieces; when the consumer stops, it stops between two pieces.

        Raises:
            ExecutorFull: Too many jobs wait.
            RuntimeError: The executor is closed.
        """
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[_T | BaseException | None] = asyncio.Queue()
        room = threading.Semaphore(HELD_PIECES)
        stopped = threading.Event()

        def job() -> None:
            if stopped.is_set():
                return
            try:
                for piece in make():
                    room.acquire()
                    if stopped.is_set():
                        return
                    _tell(loop, pieces.put_nowait, piece)
            except BaseException as error:  # noqa: BLE001 - handed to whoever awaits
                _tell(loop, pieces.put_nowait, error)
            else:
                _tell(loop, pieces.put_nowait, None)

        self._add(job, deadline)
        try:
            while (piece := await pieces.get()) is not None:
                if isinstance(piece, BaseException):
                    raise piece
                room.release()
                yield piece
        finally:
            stopped.set()
            room.release()
            self._drop(job)

    def close(self) -> None:
        """Drop what waits, let what runs end, and join the threads."""
        with self._free:
            self._closed = True
            self._jobs.clear()
            self._free.notify_all()
        for thread in self._threads:
            thread.join(timeout=10)

    def _add(self, job: Callable[[], None], deadline: float) -> None:
        with self._free:
            if self._closed:
                raise RuntimeError("the model is closed")
            if len(self._jobs) >= self._capacity:
                raise ExecutorFull(f"{len(self._jobs)} jobs wait already")
            heapq.heappush(self._jobs, (deadline, next(self._order), job))
            self._free.notify()

    def _drop(self, unwanted: Callable[[], None]) -> None:
        # A job that nobody waits for must not take the place of one that somebody does.
        with self._free:
            kept = [waiting for waiting in self._jobs if waiting[2] is not unwanted]
            if len(kept) < len(self._jobs):
                self._jobs = kept
                heapq.heapify(self._jobs)

    def _work(self) -> None:
        while True:
            with self._free:
                while not self._jobs and not self._closed:
                    self._free.wait()
                if self._closed:
                    return
                _, _, job = heapq.heappop(self._jobs)
            job()


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
