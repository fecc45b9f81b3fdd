"""The simulated loop: virtual time, an order by seed, and processes that freeze and die as real ones do."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from app.simulation.loop import Process, SimulatedLoop, Stuck


def test_time_passes_only_when_nothing_is_ready() -> None:
    loop = SimulatedLoop(Random(0))

    async def wait() -> tuple[float, float]:
        began = loop.time()
        await asyncio.sleep(3600.0)
        slept = loop.time()
        for _ in range(100):
            await asyncio.sleep(0)
        return slept - began, loop.time() - slept

    slept, worked = loop.complete(wait())
    loop.close()
    assert slept == pytest.approx(3600.0)
    assert worked == 0.0


def test_what_waits_for_nothing_is_told() -> None:
    loop = SimulatedLoop(Random(0))

    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stuck, match="nothing is ready"):
        loop.complete(wait())
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.complete(asyncio.sleep(0))
    loop.close()


def order_of(seed: int) -> list[str]:
    """Return in which order three processes note two things each."""
    loop = SimulatedLoop(Random(seed))
    noted: list[str] = []

    async def live() -> None:
        for name in "abc":
            process = Process(name)
            for number in (1, 2):
                loop.call_soon(noted.append, f"{name}{number}", context=process.context)
        await asyncio.sleep(1.0)

    loop.complete(live())
    loop.close()
    return noted


def test_the_seed_chooses_the_order_among_processes_and_not_within_one() -> None:
    orders = [order_of(seed) for seed in range(20)]
    assert orders == [order_of(seed) for seed in range(20)]
    assert len({tuple(order) for order in orders}) > 5
    for order in orders:
        assert [[each for each in order if each[0] == name] for name in "abc"] == [
            ["a1", "a2"], ["b1", "b2"], ["c1", "c2"],
        ]  # fmt: skip


def test_a_frozen_process_runs_nothing_and_finds_its_timers_overdue() -> None:
    loop = SimulatedLoop(Random(0))
    process = Process("frozen")
    ticks: list[float] = []

    async def tick() -> None:
        while True:
            ticks.append(loop.time())
            await asyncio.sleep(1.0)

    async def live() -> None:
        ticking = loop.spawn(process, tick(), "tick")
        await asyncio.sleep(1.5)
        loop.freeze(process, 3.0)
        await asyncio.sleep(3.6)
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)

    loop.complete(live())
    loop.close()
    assert ticks == pytest.approx([0.0, 1.0, 4.5])


def test_a_killed_process_cleans_nothing_up() -> None:
    loop = SimulatedLoop(Random(0))
    process = Process("killed")
    done: list[str] = []

    async def work() -> None:
        try:
            async with asyncio.TaskGroup() as group:  # its tasks belong to the same process
                group.create_task(asyncio.sleep(1.0)).add_done_callback(lambda _: done.append("task"))
                await asyncio.sleep(1.0)
                done.append("work")
        finally:
            done.append("cleaned up")

    async def live() -> None:
        working = loop.spawn(process, work(), "work")
        await asyncio.sleep(0.5)
        loop.kill(process)
        await asyncio.sleep(10.0)
        assert done == []
        process.alive = True  # so that the task can be ended
        loop.thaw(process)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)

    loop.complete(live())
    loop.close()
