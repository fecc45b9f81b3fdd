"""A simulated process and its bus: what gets lost on the way, and what is known of it afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random

import pytest

from adapters.bus.memory import MemoryBus
from adapters.bus.port import Batch, BusUnavailable, Commit
from app.simulation.faults import Faults, Trace
from app.simulation.link import Link
from app.simulation.loop import Process, SimulatedLoop
from app.simulation.wire import TIMEOUT_S, Far
from statecharts.events import Envelope

SESSION = "00000000-0000-4000-8000-000000000000"


class OneFault(Faults):
    """Does to the next call what it is told."""

    next = ""

    def draw(self, process: Process, what: str) -> str:
        kind, self.next = self.next, ""
        return kind


class Wire:
    """A bus, and one process that reaches it."""

    def __init__(self) -> None:
        random = Random(0)
        self.loop = SimulatedLoop(random)
        trace = Trace(self.loop.time)
        self.faults = OneFault(random, self.loop, trace)
        self.bus = MemoryBus(1, clock=self.loop.unix_time)
        self.process = Process("one")
        self.link = Link(self.process, Far(self.bus, self.loop, random, trace, self.faults))

    def lead(self, test: Callable[[], Awaitable[None]]) -> None:
        """Run a test's steps inside the process."""

        async def inside() -> None:
            await test()

        async def live() -> None:
            await self.loop.spawn(self.process, inside(), "test")

        self.loop.complete(live())
        self.loop.close()

    @property
    def kept(self) -> list[str]:
        """The ids of the facts in the log."""
        return [entry.envelope.event_id for entry in self.bus.parts[0].log if entry.envelope is not None]


def fact(event_id: str) -> Envelope:
    return Envelope(event_type="voice.stt.final", session_id=SESSION, payload={"text": "hello"}, event_id=event_id)


@pytest.mark.parametrize(
    ("kind", "known", "kept"),
    [
        ("", True, ["a"]), ("slow", True, ["a"]), ("twice", True, ["a", "a"]), ("lost request", False, []),
        ("lost answer", False, ["a"]), ("late request", False, ["a"]),
    ],
)  # fmt: skip
def test_a_call_happens_or_is_known_to_have_happened_as_its_fault_says(kind: str, known: bool, kept: list[str]) -> None:
    wire = Wire()

    async def steps() -> None:
        wire.faults.next = kind
        began = wire.loop.time()
        if known:
            await wire.link.publish(fact("a"))
        else:
            with pytest.raises(BusUnavailable):
                await wire.link.publish(fact("a"))
            assert wire.loop.time() - began == pytest.approx(TIMEOUT_S)
        await asyncio.sleep(2.0)

    wire.lead(steps)
    assert wire.kept == kept


def test_a_process_that_is_cut_off_reaches_nothing_until_it_heals() -> None:
    wire = Wire()

    async def steps() -> None:
        wire.faults.cut_off.add("one")
        with pytest.raises(BusUnavailable):
            await wire.link.publish(fact("a"))
        with pytest.raises(BusUnavailable):
            await wire.link.members("gateway")
        wire.faults.heal()
        await wire.link.publish(fact("b"))

    wire.lead(steps)
    assert wire.kept == ["b"]


async def folded(batches: AsyncIterator[Batch]) -> Batch:
    """Return the next batch that has entries."""
    while not (batch := await anext(batches)).entries:
        pass
    return batch


def commit_of(batch: Batch) -> Commit:
    return Commit(upto=batch.entries[-1].position, snapshots={SESSION: b"state"}, journal=[b"{}"])


@pytest.mark.parametrize("kind", ["lost request", "lost answer", "late request"])
def test_a_commit_of_which_nothing_is_known_happens_once(kind: str) -> None:
    wire = Wire()

    async def steps() -> None:
        await wire.link.publish(fact("a"))
        owner = wire.link.own("one")
        batches = owner.batches()
        batch = await folded(batches)
        wire.faults.next = kind
        with pytest.raises(BusUnavailable):
            await owner.commit(batch.lease, commit_of(batch))
        await wire.link.publish(fact("b"))
        while wire.bus.parts[0].offset != wire.bus.parts[0].log[-1].position:
            batch = await folded(batches)
            try:
                await owner.commit(batch.lease, commit_of(batch))
            except BusUnavailable:
                continue  # the late one came first
        await asyncio.sleep(2.0)
        await batches.aclose()  # type: ignore[attr-defined]  # it is a generator

    wire.lead(steps)
    # Each fact was folded once: a late commit is refused by where the partition stands.
    assert len(wire.bus.parts[0].journal) <= 2


def test_a_partition_whose_states_cannot_be_read_is_announced_again() -> None:
    wire = Wire()

    async def steps() -> None:
        owner = wire.link.own("one")
        batches = owner.batches()
        announced = await anext(batches)
        wire.faults.next = "lost answer"
        with pytest.raises(BusUnavailable):
            await owner.snapshots(announced.lease)
        await wire.link.publish(fact("a"))
        again = await anext(batches)
        assert (again.lease, again.entries) == (announced.lease, [])
        assert await owner.snapshots(again.lease) == {}
        await batches.aclose()  # type: ignore[attr-defined]  # it is a generator

    wire.lead(steps)
