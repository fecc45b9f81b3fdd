"""A model's threads: who is served first, and who waits for whom."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from adapters.model_executor import HELD_PIECES, ExecutorFull, ModelExecutor


class Gate:
    """Keeps a model's only thread busy until it is opened."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self.reached = threading.Event()

    def hold(self) -> None:
        self.reached.set()
        assert self._open.wait(10)

    def open(self) -> None:
        self._open.set()


@pytest.fixture
async def executor() -> AsyncIterator[ModelExecutor]:
    made = ModelExecutor("test", threads=1, capacity=4)
    yield made
    made.close()


async def occupied(executor: ModelExecutor) -> tuple[Gate, asyncio.Task[None]]:
    gate = Gate()
    holding = asyncio.create_task(executor.run(gate.hold))
    await asyncio.to_thread(gate.reached.wait, 10)
    return gate, holding


async def queued(executor: ModelExecutor, count: int) -> None:
    async with asyncio.timeout(5):
        while len(executor._jobs) != count:
            await asyncio.sleep(0)


async def test_the_most_urgent_job_is_done_first(executor: ModelExecutor) -> None:
    gate, holding = await occupied(executor)
    done: list[str] = []
    later = asyncio.create_task(executor.run(lambda: done.append("later"), deadline=2.0))
    await queued(executor, 1)
    sooner = asyncio.create_task(executor.run(lambda: done.append("sooner"), deadline=1.0))
    await queued(executor, 2)
    gate.open()
    await asyncio.gather(holding, later, sooner)
    assert done == ["sooner", "later"]


async def test_a_long_generator_lets_a_more_urgent_job_in_between_two_pieces(executor: ModelExecutor) -> None:
    done: list[str] = []
    gate = Gate()

    def pieces() -> Iterator[str]:
        for number in range(4):
            if number == 1:
                gate.hold()
            done.append(f"piece {number}")
            yield f"piece {number}"

    async def consume() -> list[str]:
        return [piece async for piece in executor.stream(pieces, deadline=1.0, seconds=lambda _: 1.0)]

    consuming = asyncio.create_task(consume())
    await asyncio.to_thread(gate.reached.wait, 10)
    # The second piece, being made, was wanted at 2.0; the third is wanted at 3.0.
    urgent = asyncio.create_task(executor.run(lambda: done.append("urgent"), deadline=2.5))
    await queued(executor, 1)
    gate.open()
    assert await consuming == [f"piece {number}" for number in range(4)]
    await urgent
    assert done == ["piece 0", "piece 1", "urgent", "piece 2", "piece 3"]


async def test_a_consumer_that_takes_nothing_does_not_keep_the_thread(executor: ModelExecutor) -> None:
    made: list[int] = []

    def pieces() -> Iterator[int]:
        for number in range(3 * HELD_PIECES):
            made.append(number)
            yield number

    stream = executor.stream(pieces)
    assert await anext(stream) == 0
    async with asyncio.timeout(5):
        while len(made) < HELD_PIECES:
            await asyncio.sleep(0)
        await executor.run(lambda: None, deadline=9.0)
    assert len(made) <= HELD_PIECES + 1
    assert [piece async for piece in stream] == list(range(1, 3 * HELD_PIECES))


async def test_a_generator_nobody_listens_to_ends_after_the_piece_it_is_at(executor: ModelExecutor) -> None:
    made: list[int] = []
    gate = Gate()

    def pieces() -> Iterator[int]:
        for number in range(100):
            if number == 2:
                gate.hold()
            made.append(number)
            yield number

    stream = executor.stream(pieces)
    assert await anext(stream) == 0
    await asyncio.to_thread(gate.reached.wait, 10)
    await stream.aclose()  # type: ignore[attr-defined]  # it is a generator
    gate.open()
    await executor.run(lambda: None, deadline=9.0)
    assert made == [0, 1, 2]


async def test_a_job_nobody_waits_for_makes_room(executor: ModelExecutor) -> None:
    gate, holding = await occupied(executor)
    waiting = [asyncio.create_task(executor.run(lambda: None)) for _ in range(4)]
    await queued(executor, 4)
    with pytest.raises(ExecutorFull):
        await executor.run(lambda: None)
    waiting[0].cancel()
    await asyncio.gather(waiting[0], return_exceptions=True)
    last = asyncio.create_task(executor.run(lambda: None))
    await queued(executor, 4)
    gate.open()
    await asyncio.gather(holding, *waiting[1:], last)


async def test_what_waits_when_it_is_closed_is_told(executor: ModelExecutor) -> None:
    gate, holding = await occupied(executor)
    waiting = asyncio.create_task(executor.run(lambda: None))

    async def first() -> int:
        return await anext(executor.stream(lambda: iter([1])))

    streaming = asyncio.create_task(first())
    await queued(executor, 2)
    closing = asyncio.create_task(asyncio.to_thread(executor.close))
    for task in (waiting, streaming):
        with pytest.raises(RuntimeError, match="closed"):
            await task
    gate.open()
    await asyncio.gather(holding, closing)


async def test_what_goes_wrong_reaches_who_asked(executor: ModelExecutor) -> None:
    def pieces() -> Iterator[int]:
        yield 1
        raise ValueError("after one")

    with pytest.raises(ZeroDivisionError):
        await executor.run(lambda: 1 // 0)
    stream = executor.stream(pieces)
    assert await anext(stream) == 1
    with pytest.raises(ValueError, match="after one"):
        await anext(stream)
