"""Batches of different partitions are taken beside each other, those of one in order."""

from __future__ import annotations

import asyncio

import pytest

from adapters.bus.port import Batch, Lease
from app.taking import SideBySide


def batch(partition: int) -> Batch:
    return Batch(lease=Lease(partition=partition, epoch=1), entries=[])


async def test_a_partition_that_waits_holds_up_no_other_and_keeps_its_order() -> None:
    taken: list[tuple[int, str]] = []
    answered = asyncio.Event()

    async def take(given: Batch) -> None:
        partition = given.lease.partition
        taken.append((partition, "begun"))
        if partition == 0:
            await answered.wait()
        taken.append((partition, "done"))

    async with asyncio.TaskGroup() as group:
        takers = SideBySide(group, take)
        await takers.hand(batch(0))
        await takers.hand(batch(1))
        second = group.create_task(takers.hand(batch(0)))
        while (1, "done") not in taken:
            await asyncio.sleep(0)
        assert taken == [(0, "begun"), (1, "begun"), (1, "done")]
        assert not second.done()
        answered.set()
    assert taken[3:] == [(0, "done"), (0, "begun"), (0, "done")]


async def test_a_batch_that_cannot_be_taken_ends_all() -> None:
    async def take(_: Batch) -> None:
        raise ZeroDivisionError("as a mistake of ours would")

    async def everything() -> None:
        async with asyncio.TaskGroup() as group:
            await SideBySide(group, take).hand(batch(0))
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as error:
        await everything()
    assert error.value.subgroup(ZeroDivisionError) is not None
