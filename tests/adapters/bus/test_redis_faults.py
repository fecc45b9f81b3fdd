"""What the bus promises when its server hangs, dies, returns, or has lost everything."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from adapters.bus.embedded_valkey import EmbeddedValkey
from adapters.bus.port import BusUnavailable, Commit
from adapters.bus.redis_link import Link
from adapters.bus.redis_streams import RedisStreamsBus
from tests.adapters.bus.steps import WITHIN_S, commit_of, fact, hand, has_entries, next_of, numbers, session


async def test_a_frozen_server_fails_a_call_fast_and_nothing_is_lost(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path)
    bus = RedisStreamsBus(server.start())
    await bus.start()
    session_id = session()
    owner = bus.own("one")
    batches = owner.batches()
    await bus.publish(fact(session_id, 1))
    batch = await next_of(batches, has_entries)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(BusUnavailable):
            await bus.ping()
        assert time.monotonic() - began < 1.0
        with pytest.raises(BusUnavailable):
            await owner.commit(batch.lease, commit_of(batch, session_id))
    finally:
        os.kill(server.pid, signal.SIGCONT)
    # What was asked of it while it stood still it may do when it wakes: then the commit has happened, else it has not.
    await bus.publish(fact(session_id, 2))
    seen: list[object] = []
    while 2 not in seen:
        batch = await next_of(batches, has_entries)
        seen += numbers(batch)
    assert seen == ([2] if await bus.snapshot(session_id) == b"state" else [1, 2])
    await owner.close()
    await bus.close()
    server.stop()


async def test_a_server_killed_and_restarted_loses_nothing_and_the_owner_goes_on(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path)
    bus = RedisStreamsBus(server.start())
    await bus.start()
    session_id = session()
    owner = bus.own("one")
    batches = owner.batches()
    await bus.publish(*(fact(session_id, number) for number in range(50)))
    taken: list[object] = []
    while len(taken) < 50:
        batch = await next_of(batches, has_entries)
        taken += numbers(batch)
        await owner.commit(batch.lease, commit_of(batch, session_id, str(len(taken)).encode()))
    await bus.publish(fact(session_id, 50))
    server.kill()
    server = EmbeddedValkey(tmp_path)
    await asyncio.to_thread(server.start)
    batch = await next_of(batches, lambda batch: 50 in numbers(batch))
    assert numbers(batch) == [50]
    assert await bus.snapshot(session_id) == b"50"
    await owner.close()
    await bus.close()
    server.stop()


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
