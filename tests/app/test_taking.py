"""Batches of different partitions are taken beside each other, those of one in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.bus.port import Batch, Lease, LogEntry
from app.taking import SideBySide


async def batches(*partitions: int) -> AsyncIterator[Batch]:
    for partition in partitions:
        yield Batch(lease=Lease(partition=partition, epoch=1), entries=[])


class Taken:
    """Notes what is begun and done; partition 0 waits to be let on."""

    def __init__(self) -> None:
        self.told: list[tuple[int, str]] = []
        self.let_on = asyncio.Event()

    async def take(self, batch: Batch) -> bool:
        partition = batch.lease.partition
        self.told.append((partition, "begun"))
        if partition == 0:
            await self.let_on.wait()
        self.told.append((partition, "done"))
        return True


async def test_a_partition_that_waits_holds_up_no_other_and_keeps_its_order() -> None:
    taken = Taken()
    async with asyncio.TaskGroup() as group:
        all_of_them = group.create_task(SideBySide(taken.take).take_all(group, batches(0, 1, 0)))
        while (1, "done") not in taken.told:
            await asyncio.sleep(0)
        assert taken.told == [(0, "begun"), (1, "begun"), (1, "done")]
        taken.let_on.set()
        await all_of_them
        assert taken.told[3:] == [(0, "done"), (0, "begun"), (0, "done")]


async def test_who_stops_finishes_what_was_begun_and_begins_nothing() -> None:
    taken = Taken()
    async with asyncio.TaskGroup() as group:
        takers = SideBySide(taken.take)
        group.create_task(takers.take_all(group, batches(0, 0, 1)))
        while not taken.told:
            await asyncio.sleep(0)
        stopping = group.create_task(takers.stop())
        await asyncio.sleep(0)
        assert not stopping.done()
        taken.let_on.set()
    assert taken.told == [(0, "begun"), (0, "done")]


async def test_what_was_read_behind_a_batch_that_failed_is_passed_over_until_the_partition_is_announced() -> None:
    taken: list[int] = []

    async def read() -> AsyncIterator[Batch]:
        fact = LogEntry(position="1-1", envelope=None)
        for number, entries in enumerate(([], [fact], [fact], [fact], [], [fact])):
            yield Batch(lease=Lease(partition=0, epoch=number), entries=entries)

    async def take(batch: Batch) -> bool:
        await asyncio.sleep(0)
        taken.append(batch.lease.epoch)
        return batch.lease.epoch != 1

    async with asyncio.TaskGroup() as group:
        await SideBySide(take).take_all(group, read())
    assert taken == [0, 1, 4, 5]


async def test_a_mistake_ends_all() -> None:
    async def take(_: Batch) -> bool:
        raise ZeroDivisionError("as a mistake of ours would")

    async def everything() -> None:
        async with asyncio.TaskGroup() as group:
            await SideBySide(take).take_all(group, batches(0))
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as error:
        await everything()
    assert error.value.subgroup(ZeroDivisionError) is not None
