"""What the bus promises when its server hangs, dies, returns, or has lost everything."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapters.bus.embedded_valkey import EmbeddedValkey
from adapters.bus.port import BusUnavailable, Command, Commit
from adapters.bus.redis_link import Link
from adapters.bus.redis_streams import RedisStreamsBus
from tests.adapters.bus.steps import (
    WITHIN_S,
    ask,
    commit_of,
    fact,
    hand,
    has_entries,
    next_of,
    numbers,
    owning,
    session,
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    made = EmbeddedValkey(tmp_path)
    yield made
    made.stop()


@pytest.fixture
async def mortal(server: EmbeddedValkey) -> AsyncIterator[RedisStreamsBus]:
    """A bus on a server of its own, which may be harmed."""
    made = RedisStreamsBus(await asyncio.to_thread(server.start))
    await made.start()
    yield made
    await made.close()


async def test_a_frozen_server_fails_a_call_fast_and_nothing_is_lost(
    server: EmbeddedValkey, mortal: RedisStreamsBus
) -> None:
    session_id = session()
    owner, batches, batch = await owning(mortal, fact(session_id, 1))
    os.kill(server.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(BusUnavailable):
            await mortal.ping()
        assert time.monotonic() - began < 0.5  # 0.3 s, and what this machine adds
        with pytest.raises(BusUnavailable):
            await owner.commit(batch.lease, commit_of(batch, session_id))
    finally:
        os.kill(server.pid, signal.SIGCONT)
    # What was asked of it while it stood still it may do when it wakes: then the commit has happened, else it has not.
    await mortal.publish(fact(session_id, 2))
    seen: list[object] = []
    while 2 not in seen:
        batch = await next_of(batches, has_entries)
        seen += numbers(batch)
    assert seen == ([2] if await mortal.snapshot(session_id) == b"state" else [1, 2])
    await owner.close()


async def test_a_server_killed_and_restarted_loses_nothing_and_everybody_goes_on(
    server: EmbeddedValkey, mortal: RedisStreamsBus
) -> None:
    session_id = session()
    owner = mortal.own("one")
    batches, deliveries, commands = owner.batches(), mortal.subscribe("rag", "w1"), mortal.listen("g1")
    await mortal.publish(*(fact(session_id, number) for number in range(50)))
    taken: list[object] = []
    while len(taken) < 50:
        batch = await next_of(batches, has_entries)
        taken += numbers(batch)
        await owner.commit(batch.lease, commit_of(batch, session_id, str(len(taken)).encode()))
    await mortal.publish(fact(session_id, 50))
    with capture_logs() as logs:
        waiting = [asyncio.create_task(hand(deliveries)), asyncio.ensure_future(anext(commands))]
        going_on = asyncio.create_task(next_of(batches, lambda batch: 50 in numbers(batch)))
        server.kill()
        await asyncio.sleep(0.5)
        await asyncio.to_thread(server.start)
        batch = await going_on
        request, command = fact(session_id, 51, "voice.rag.request"), Command(session_id=session_id, effects=[])
        outcome = commit_of(batch, session_id, b"51", tasks=[("rag", request)], commands=[("g1", command)])
        await owner.commit(batch.lease, outcome)
        async with asyncio.timeout(WITHIN_S):
            await asyncio.gather(*waiting)
            while all(line["event"] != "bus_back" for line in logs):
                await asyncio.sleep(0.01)
    assert numbers(batch) == [50]
    assert await mortal.snapshot(session_id) == b"51"
    assert len(await mortal.replay(session_id)) == 51
    assert [line["event"] for line in logs if line["event"].startswith("bus_")] == ["bus_away", "bus_back"]
    await owner.close()


async def test_what_was_to_be_tried_again_while_the_server_was_away_is_tried_when_it_is_back(
    server: EmbeddedValkey, mortal: RedisStreamsBus
) -> None:
    await ask(mortal, fact(session(), 1, "voice.rag.request"))
    deliveries = mortal.subscribe("rag", "w1")
    delivery = await hand(deliveries)
    server.kill()
    await delivery.nack(0.1)
    waiting = asyncio.create_task(hand(deliveries))
    await asyncio.sleep(0.5)
    await asyncio.to_thread(server.start)
    assert (await waiting).attempts == 2


async def test_a_partition_whose_state_could_not_be_read_is_announced_again(
    server: EmbeddedValkey, mortal: RedisStreamsBus
) -> None:
    owner = mortal.own("one")
    batches = owner.batches()
    lease = (await next_of(batches)).lease
    os.kill(server.pid, signal.SIGSTOP)
    try:
        with pytest.raises(BusUnavailable):
            await owner.snapshots(lease)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    # Folding its entries now would begin its conversations anew, from nothing.
    again = await next_of(batches, lambda batch: batch.lease.partition == lease.partition)
    assert not again.entries
    await owner.close()


async def test_workers_go_on_when_the_server_has_lost_their_groups(redis_bus: RedisStreamsBus, link: Link) -> None:
    deliveries = redis_bus.subscribe("rag", "w1")
    waiting = asyncio.create_task(hand(deliveries))
    await asyncio.sleep(0.3)
    await link.call("FLUSHALL")
    owner = redis_bus.own("one")
    batches = owner.batches()
    await redis_bus.publish(fact(session(), 9))
    batch = await next_of(batches, has_entries)
    request = fact(session(), 9, "voice.rag.request")
    await owner.commit(batch.lease, Commit(upto=batch.entries[-1].position, tasks=[("rag", request)]))
    async with asyncio.timeout(WITHIN_S):
        delivery = await waiting
    assert delivery.envelope.event_id == request.event_id
    await delivery.ack()
    await owner.close()
