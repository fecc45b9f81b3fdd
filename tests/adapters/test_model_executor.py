"""What becomes of jobs that nobody waits for any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from adapters.model_executor import ExecutorFull, ModelExecutor


class Busy:
    """An executor of one thread that is held until it is let go."""

    def __init__(self, capacity: int) -> None:
        self.executor = ModelExecutor("test", threads=1, capacity=capacity)
        self.started = threading.Event()
        self._go_on = threading.Event()
        self.ran: list[str] = []

    def hold(self) -> None:
        self.started.set()
        self._go_on.wait(10.0)

    def let_go(self) -> None:
        self._go_on.set()

    def job(self, name: str) -> Callable[[], None]:
        return lambda: self.ran.append(name)

    def pieces(self, name: str) -> Callable[[], Iterator[str]]:
        def make() -> Iterator[str]:
            self.ran.append(name)
            yield name

        return make


async def first_piece(busy: Busy, name: str) -> str:
    async for piece in busy.executor.stream(busy.pieces(name)):
        return piece
    raise AssertionError("it yielded nothing")


async def cancelled(task: asyncio.Task[object]) -> None:
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_job_nobody_waits_for_neither_runs_nor_takes_a_place() -> None:
    busy = Busy(capacity=2)
    held = asyncio.create_task(busy.executor.run(busy.hold))
    await asyncio.to_thread(busy.started.wait, 5.0)
    for number in range(5):
        await cancelled(asyncio.create_task(first_piece(busy, f"stream {number}")))
        await cancelled(asyncio.create_task(busy.executor.run(busy.job(f"run {number}"))))
    wanted = asyncio.create_task(first_piece(busy, "wanted"))
    await asyncio.sleep(0)
    busy.let_go()
    assert await wanted == "wanted"
    await held
    busy.executor.close()
    assert busy.ran == ["wanted"]


async def test_a_full_queue_refuses() -> None:
    busy = Busy(capacity=1)
    held = asyncio.create_task(busy.executor.run(busy.hold))
    await asyncio.to_thread(busy.started.wait, 5.0)
    waits = asyncio.create_task(busy.executor.run(busy.job("waits")))
    await asyncio.sleep(0)
    with pytest.raises(ExecutorFull):
        await busy.executor.run(busy.job("too many"))
    busy.let_go()
    await asyncio.gather(held, waits)
    busy.executor.close()
    assert busy.ran == ["waits"]
