"""What the bus on Kafka promises when several processes share it, and when its broker hangs or dies."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapters.bus.kafka import KafkaBus
from adapters.bus.kafka_link import COMMITS, Place
from adapters.bus.kafka_records import Committed, encode_record
from adapters.bus.port import BusUnavailable, Command, Commit
from statecharts.events import VoicechartError
from tests.adapters.bus.kafka_broker import KafkaBroker
from tests.adapters.bus.steps import (
    WITHIN_S,
    ask,
    commit_of,
    end,
    fact,
    hand,
    has_entries,
    next_of,
    numbers,
    owning,
    session,
    something_waits,
)  # fmt: skip

ROOT = Path(__file__).parents[3]


async def opened(broker: KafkaBroker) -> KafkaBus:
    bus = KafkaBus(broker.url, partitions=4, min_idle_s=0.3)
    await bus.start()
    return bus


@pytest.fixture
async def here(kafka_broker: KafkaBroker) -> AsyncIterator[KafkaBus]:
    made = await opened(kafka_broker)
    yield made
    await made.close()


@pytest.fixture
async def there(kafka_broker: KafkaBroker, here: KafkaBus) -> AsyncIterator[KafkaBus]:
    """Another process's bus on the same broker."""
    made = await opened(kafka_broker)
    yield made
    await made.close()


async def test_what_a_zombie_writes_after_its_heir_began_is_obeyed_by_nobody(here: KafkaBus, there: KafkaBus) -> None:
    session_id = session()
    zombie, heir = here.own("zombie"), there.own("heir")
    batches = zombie.batches()
    await here.publish(fact(session_id, 1))
    batch = await next_of(batches, has_entries)
    zombie.freeze()
    taken_over = await next_of(heir.batches(), has_entries)
    # As a process would that was stopped just before it wrote, and does not know that it has an heir.
    late = Committed(
        id=uuid.uuid4().hex, epoch=batch.lease.epoch, prev=0, upto=1, snapshots={session_id: b"zombie"},
        tasks=[("rag", fact(session_id, 7))], commands=[("g1", Command(session_id=session_id))],
        journal=[b'{"session_id": "%s"}' % session_id.encode()],
    )  # fmt: skip
    await here.link.append(Place(COMMITS, batch.lease.partition), encode_record(late))
    for bus in (here, there):
        assert await bus.snapshot(session_id) is None
        assert await bus.journal(session_id) == []
        assert not await something_waits(bus.subscribe("rag", "w1"))
        assert not await something_waits(bus.listen("g1"))
    await heir.commit(taken_over.lease, commit_of(taken_over, session_id, b"heir"))
    assert await here.snapshot(session_id) == b"heir"
    await zombie.close()
    await heir.close()


async def test_what_one_process_commits_another_serves_and_a_third_hears(
    here: KafkaBus, there: KafkaBus, kafka_broker: KafkaBroker
) -> None:
    session_id = session()
    owner = here.own("one")
    batches = owner.batches()
    await there.publish(fact(session_id, 1))
    batch = await next_of(batches, has_entries)
    command, request = Command(session_id=session_id, effects=[{"number": 1}]), fact(session_id, 7)
    listening = asyncio.ensure_future(anext(there.listen("g1")))
    await owner.commit(
        batch.lease, commit_of(batch, session_id, b"kept", tasks=[("rag", request)], commands=[("g1", command)])
    )
    async with asyncio.timeout(WITHIN_S):
        assert (await listening).effects == [{"number": 1}]
    late = await opened(kafka_broker)
    assert await late.all_snapshots() == {session_id: b"kept"}
    delivery = await hand(late.subscribe("rag", "w1"))
    assert delivery.envelope.event_id == request.event_id
    await delivery.ack()
    await late.close()
    await owner.close()


async def test_a_request_is_handed_to_one_worker_of_all_processes(here: KafkaBus, there: KafkaBus) -> None:
    handed: list[object] = []
    here.min_idle_s = there.min_idle_s = 60.0  # no silence is that long here: nobody is taken for dead

    async def work(bus: KafkaBus, name: str) -> None:
        async for delivery in bus.subscribe("rag", name):
            handed.append(delivery.envelope.payload["number"])
            await insist(delivery.ack)

    workers = [asyncio.create_task(work(bus, f"w{number}")) for number, bus in enumerate((here, there, here, there))]
    await ask(here, *(fact(session(), number, "voice.rag.request") for number in range(40)))
    async with asyncio.timeout(WITHIN_S):
        while len(handed) < 40:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.5)  # for those who would be handed one in another's hands
    await end(*workers)
    assert sorted(handed, key=str) == sorted(range(40), key=str)


async def insist(call: Callable[[], Awaitable[object]]) -> None:
    """Call, and again while the broker is late or away."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                await call()
            except BusUnavailable:
                continue
            return


async def test_who_begins_after_a_trim_begins_where_the_others_are(here: KafkaBus, kafka_broker: KafkaBroker) -> None:
    session_ids = [session() for _ in range(8)]
    owner = here.own("one")
    batches = owner.batches()
    await here.publish(*(fact(session_id) for session_id in session_ids))
    folded: set[str] = set()
    while len(folded) < 8:
        batch = await next_of(batches, has_entries)
        names = [entry.envelope.session_id for entry in batch.entries if entry.envelope is not None]
        records = [b'{"session_id": "%s"}' % name.encode() for name in names]
        states = {name: name.encode() for name in names}
        await owner.commit(batch.lease, Commit(upto=batch.entries[-1].position, snapshots=states, journal=records))
        folded |= set(names)
    await here.trim(3600.0)
    late = await opened(kafka_broker)
    assert await late.all_snapshots() == await here.all_snapshots()
    for session_id in session_ids:
        assert len(await late.journal(session_id)) == 1
    await late.close()
    await owner.close()


class OwnerProcess:
    """An owner in a process of its own: it reads one batch, and commits it when told to."""

    def __init__(self, broker: KafkaBroker) -> None:
        self._command = [sys.executable, "-m", "tests.adapters.bus.kafka_owner", broker.url]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert await self.says() == "read"

    async def says(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(WITHIN_S):
            return (await self._process.stdout.readline()).decode().strip()

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def commit(self) -> str:
        """Have it commit what it read; return how that went."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(b"commit\n")
        return await self.says()

    async def stop(self) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.communicate()


@pytest.fixture
async def owner_process(kafka_broker: KafkaBroker, here: KafkaBus) -> AsyncIterator[OwnerProcess]:
    made = OwnerProcess(kafka_broker)
    yield made
    await made.stop()


async def test_a_process_that_was_stopped_and_wakes_is_fenced(here: KafkaBus, owner_process: OwnerProcess) -> None:
    session_id = session()
    await here.publish(fact(session_id, 1))
    await owner_process.start()
    owner_process.signal(signal.SIGSTOP)
    heir = here.own("heir")
    batch = await next_of(heir.batches(), has_entries)
    await heir.commit(batch.lease, commit_of(batch, session_id, b"heir"))
    owner_process.signal(signal.SIGCONT)
    assert await owner_process.commit() == "fenced"
    assert await here.snapshot(session_id) == b"heir"
    await heir.close()


async def test_what_a_killed_process_had_read_and_not_committed_its_heir_reads(
    here: KafkaBus, owner_process: OwnerProcess
) -> None:
    await here.publish(fact(session(), 1))
    await owner_process.start()
    owner_process.signal(signal.SIGKILL)
    heir = here.own("heir")
    batch = await next_of(heir.batches(), has_entries)
    assert numbers(batch) == [1]
    await heir.commit(batch.lease, Commit(upto=batch.entries[-1].position))
    await heir.close()


async def test_a_commit_of_megabytes_is_one_record(here: KafkaBus) -> None:
    session_id = session()
    owner, batches, batch = await owning(here, fact(session_id))
    state = random.Random(1).randbytes(1_200_000)  # more than a broker takes by default
    async with asyncio.timeout(WITHIN_S):
        while await here.snapshot(session_id) != state:
            try:
                if batch.entries:
                    await owner.commit(batch.lease, commit_of(batch, session_id, state))
                else:
                    batch = await next_of(batches)
            except BusUnavailable:  # a busy machine takes its time with it
                batch = await next_of(batches)
    assert await here.snapshot(session_id) == state
    await owner.close()


async def test_a_frozen_broker_fails_a_call_fast_and_nothing_is_lost(here: KafkaBus, kafka_broker: KafkaBroker) -> None:
    session_id = session()
    owner, batches, batch = await owning(here, fact(session_id, 1))
    kafka_broker.freeze()
    try:
        for call in (here.ping, lambda: here.members("rag"), lambda: here.snapshot(session_id)):
            began = time.monotonic()
            with pytest.raises(BusUnavailable):
                await call()
            assert time.monotonic() - began < 0.5  # 0.3 s, and what this machine adds
        with pytest.raises(BusUnavailable):
            await owner.commit(batch.lease, commit_of(batch, session_id))
    finally:
        kafka_broker.thaw()
    await insist(partial(here.publish, fact(session_id, 2)))
    seen: list[object] = []
    while 2 not in seen:
        batch = await next_of(batches, has_entries)
        seen += numbers(batch)
    # What was asked of it while it stood still it may do when it wakes: then the commit has happened, else it has not.
    assert seen in ([2], [1, 2])
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                await owner.commit(batch.lease, commit_of(batch, session_id, b"both"))
                break
            except BusUnavailable:
                batch = await next_of(batches, has_entries)
    assert await here.snapshot(session_id) == b"both"
    await owner.close()


async def test_while_the_broker_is_away_every_call_says_so_at_once_and_the_log_once(
    here: KafkaBus, kafka_broker: KafkaBroker
) -> None:
    session_id = session()
    owner, _, batch = await owning(here, fact(session_id, 1))
    kafka_broker.kill()
    with capture_logs() as logs:
        for call in (
            here.ping, lambda: here.publish(fact(session_id, 2)), lambda: here.replay(session_id),
            lambda: here.announce("rag", "w1", 1.0), lambda: owner.commit(batch.lease, commit_of(batch, session_id)),
        ):  # fmt: skip
            began = time.monotonic()
            with pytest.raises(BusUnavailable, match=rf"cannot reach Kafka at 127.0.0.1:{kafka_broker.port}.*Start it"):
                await call()
            assert time.monotonic() - began < 0.5
        await asyncio.sleep(0.3)
    assert len([line for line in logs if line["event"] == "bus_away"]) == 1
    await owner.close()


async def test_a_broker_that_is_not_there_is_said_with_what_to_do() -> None:
    bus = KafkaBus("kafka://127.0.0.1:1")
    with pytest.raises(BusUnavailable, match=r"cannot reach Kafka at 127.0.0.1:1: .*leave --bus out"):
        await bus.start()
    await bus.close()


async def test_brokers_that_lost_everything_are_not_taken_for_the_same(
    here: KafkaBus, kafka_broker: KafkaBroker
) -> None:
    session_id = session()
    await ask(here, fact(session_id, 1))
    kafka_broker.kill()
    kafka_broker.start()
    late = await opened(kafka_broker)
    said = ""
    async with asyncio.timeout(WITHIN_S):
        while not said:
            try:
                await here.erase(session_id)
            except BusUnavailable:
                continue
            except VoicechartError as error:
                said = str(error)
    assert "lost what it had" in said
    await late.close()
