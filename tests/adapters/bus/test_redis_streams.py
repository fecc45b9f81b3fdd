"""What the bus promises on Redis in particular: names of keys, a server that hangs, dies and returns."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from adapters.bus.embedded_valkey import EmbeddedValkey
from adapters.bus.port import BusUnavailable, Command, Commit
from adapters.bus.redis_link import Link
from adapters.bus.redis_streams import RedisStreamsBus
from adapters.bus.session_view import VIEW_TTL_S
from statecharts.events import Envelope, VoicechartError
from tests.adapters.bus.test_bus_contract import WITHIN_S, commit_of, fact, hand, has_entries, next_of, numbers, session


@pytest.fixture
async def link(valkey_url: str) -> AsyncIterator[Link]:
    made = Link(valkey_url)
    await made.call("FLUSHALL")
    yield made
    await made.close()


@pytest.fixture
async def redis_bus(link: Link, valkey_url: str) -> AsyncIterator[RedisStreamsBus]:
    made = RedisStreamsBus(valkey_url)
    await made.start()
    yield made
    await made.close()


async def test_keys_have_the_contracts_names(redis_bus: RedisStreamsBus, link: Link) -> None:
    session_id = "550e8400-e29b-41d4-a716-446655440000"
    owner = redis_bus.own("one")
    batches = owner.batches()
    await redis_bus.publish(fact(session_id))
    batch = await next_of(batches, has_entries)
    command = Command(session_id=session_id, effects=[])
    outcome = commit_of(batch, session_id, tasks=[("rag", fact(session_id))], commands=[("g1", command)])
    await owner.commit(batch.lease, outcome)
    tag = f"{{p{batch.lease.partition:02d}}}"
    found = await link.call("KEYS", "voice:*")
    assert isinstance(found, list)
    assert {
        f"voice:{name}:{tag}"
        for name in ("events", "journal", "tasks:rag", "gateway:g1", "offset", "lease", "epoch", "snapshots")
    } <= {key.decode() for key in found}
    assert await link.text("voice:partitions") == "16"
    entries = await link.range(f"voice:events:{tag}", "-", 10)
    assert msgspec.json.decode(entries[0].data or b"", type=Envelope).session_id == session_id
    await owner.close()


async def test_everything_of_a_view_expires(redis_bus: RedisStreamsBus, link: Link) -> None:
    session_id = session()
    await redis_bus.mirror([fact(session_id)], {session_id: ("LISTENING", 1.0)})
    for key in (f"voice:stt:session:{session_id}", f"orchestrator:session:{session_id}"):
        left = await link.call("TTL", key)
        assert isinstance(left, int)
        assert 0 < left <= VIEW_TTL_S
    assert await link.table(f"orchestrator:session:{session_id}") == {"state": b"LISTENING", "last_update": b"1.0"}


async def test_what_a_stranger_wrote_wrongly_is_an_entry_with_an_error(redis_bus: RedisStreamsBus, link: Link) -> None:
    for words in (["data", "{"], ["data", '{"event_type": 7}'], ["other", "x"], ["data", b"\xff\xfe"]):
        await link.call("XADD", "voice:events:{p03}", "*", *words)
    owner = redis_bus.own("one")
    batch = await next_of(owner.batches(), has_entries)
    assert [entry.envelope for entry in batch.entries] == [None] * 4
    assert all(entry.error for entry in batch.entries)
    await owner.close()


async def test_an_erased_session_leaves_no_key_that_names_it(redis_bus: RedisStreamsBus, link: Link) -> None:
    session_id = session()
    await redis_bus.mirror([fact(session_id)], {session_id: ("LISTENING", 1.0)})
    await redis_bus.erase(session_id)
    assert await link.call("KEYS", f"*{session_id}*") == []


async def test_a_partition_count_that_is_none_is_refused_in_words(link: Link, valkey_url: str) -> None:
    await link.call("SET", "voice:partitions", "many")
    bus = RedisStreamsBus(valkey_url)
    with pytest.raises(VoicechartError, match="not a number of partitions"):
        await bus.start()
    await bus.close()


async def test_a_server_that_is_not_there_is_named_with_advice_and_without_its_password() -> None:
    bus = RedisStreamsBus("redis://me:secret@127.0.0.1:1/0")
    with pytest.raises(BusUnavailable, match="--bus") as error:
        await bus.start()
    assert "secret" not in str(error.value)
    await bus.close()


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
