"""What the bus promises on Redis in particular: names of keys, fences, and that nothing is left behind."""

from __future__ import annotations

import asyncio
from typing import cast

import msgspec
import pytest
from redis.exceptions import ResponseError

from adapters.bus.codec import encode_command, encode_envelope
from adapters.bus.port import BusUnavailable, Command
from adapters.bus.redis_link import Link
from adapters.bus.redis_streams import RedisStreamsBus
from adapters.bus.session_view import VIEW_TTL_S
from statecharts.events import Envelope, VoicechartError
from tests.adapters.bus.steps import (
    WITHIN_S,
    commit_of,
    fact,
    hand,
    has_entries,
    next_of,
    numbers,
    owning,
    session,
    something_waits,
)  # fmt: skip


async def test_keys_have_the_contracts_names(redis_bus: RedisStreamsBus, link: Link) -> None:
    session_id = "550e8400-e29b-41d4-a716-446655440000"
    owner, _, batch = await owning(redis_bus, fact(session_id))
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


async def test_an_entry_without_the_field_data_is_an_entry_with_an_error(
    redis_bus: RedisStreamsBus, link: Link
) -> None:
    await link.call("XADD", "voice:events:{p03}", "*", "other", "x")
    owner = redis_bus.own("one")
    batch = await next_of(owner.batches(), has_entries)
    assert [entry.envelope for entry in batch.entries] == [None]
    assert "`data`" in batch.entries[0].error
    await owner.close()


async def test_the_view_is_read_with_plain_commands_one_field_an_entry(redis_bus: RedisStreamsBus, link: Link) -> None:
    session_id = session()
    envelope = fact(session_id)
    await redis_bus.mirror([envelope], {})
    answer = cast("list[list[object]]", await link.call("XRANGE", f"voice:stt:session:{session_id}", "-", "+"))
    [[_, fields]] = answer
    name, data = cast("list[bytes]", fields)
    assert name == b"data"
    assert msgspec.json.decode(data, type=Envelope) == envelope


async def test_nothing_in_any_key_names_an_erased_session(redis_bus: RedisStreamsBus, link: Link) -> None:
    session_id = session()
    owner, _, batch = await owning(redis_bus, fact(session_id, 1))
    request = fact(session_id, 1, "voice.rag.request")
    command = Command(session_id=session_id, effects=[{"number": 1}])
    await owner.commit(batch.lease, commit_of(batch, session_id, tasks=[("rag", request)], commands=[("g1", command)]))
    deliveries, commands = redis_bus.subscribe("rag", "w1"), redis_bus.listen("g1")
    await (await hand(deliveries)).dead_letter("no")
    async with asyncio.timeout(WITHIN_S):
        await anext(commands)
        assert not await something_waits(commands)
    await redis_bus.mirror([fact(session_id)], {session_id: ("LISTENING", 1.0)})
    assert session_id in await contents(link)
    await redis_bus.erase(session_id)
    assert session_id not in await contents(link)
    await owner.close()


async def test_acknowledged_requests_and_commands_taken_do_not_pile_up(redis_bus: RedisStreamsBus, link: Link) -> None:
    session_id = session()
    owner, _, batch = await owning(redis_bus, fact(session_id, 1))
    request = fact(session_id, 1, "voice.rag.request")
    command = Command(session_id=session_id, effects=[])
    await owner.commit(
        batch.lease, commit_of(batch, session_id, tasks=[("rag", request)] * 3, commands=[("g1", command)] * 3)
    )
    deliveries, commands = redis_bus.subscribe("rag", "w1"), redis_bus.listen("g1")
    for _ in range(3):
        await (await hand(deliveries)).ack()
        await anext(commands)
    assert not await something_waits(commands)
    tag = f"{{p{batch.lease.partition:02d}}}"
    assert await link.call("XLEN", f"voice:tasks:rag:{tag}") == 0
    assert await link.call("XLEN", f"voice:gateway:g1:{tag}") == 0
    await owner.close()


async def test_a_gateway_refuses_the_commands_of_an_older_epoch(redis_bus: RedisStreamsBus, link: Link) -> None:
    session_id = session()
    for epoch in (5, 4, 6, 5, 6):
        command = Command(session_id=session_id, epoch=epoch, effects=[{"epoch": epoch}])
        await link.call("XADD", "voice:gateway:g1:{p02}", "*", "data", encode_command(command))
    await link.call("XADD", "voice:gateway:g1:{p02}", "*", "data", "{")
    commands = redis_bus.listen("g1")
    heard = [(await anext(commands)).epoch for _ in range(3)]
    assert heard == [5, 6, 6]
    assert not await something_waits(commands)


async def test_a_worker_refuses_the_requests_of_an_older_epoch(redis_bus: RedisStreamsBus, link: Link) -> None:
    for number, epoch in enumerate((5, 4, 5)):
        request = msgspec.structs.replace(fact(session(), number, "voice.rag.request"), metadata={"epoch": epoch})
        await link.call("XADD", "voice:tasks:rag:{p02}", "*", "data", encode_envelope(request))
    deliveries = redis_bus.subscribe("rag", "w1")
    for wanted in (0, 2):
        delivery = await hand(deliveries)
        assert delivery.envelope.payload["number"] == wanted
        await delivery.ack()
    assert not await something_waits(deliveries)


async def test_epochs_go_on_growing_when_the_server_has_lost_its_data(redis_bus: RedisStreamsBus, link: Link) -> None:
    epochs = []
    for name in ("first", "second"):
        owner = redis_bus.own(name)
        epochs.append((await next_of(owner.batches())).lease.epoch)
        await owner.close()
        await link.call("FLUSHALL")
    assert epochs[1] >= epochs[0] > 1_000_000_000


async def test_a_commit_behind_one_of_unknown_outcome_is_refused(redis_bus: RedisStreamsBus, link: Link) -> None:
    session_id = session()
    owner = redis_bus.own("one")
    batches = owner.batches()
    await redis_bus.publish(fact(session_id, 1))
    first = await next_of(batches, has_entries)
    await redis_bus.publish(fact(session_id, 2))
    second = await next_of(batches, has_entries)
    offset = f"voice:offset:{{p{first.lease.partition:02d}}}"
    await link.call("SET", offset, "1-1")  # as if a commit whose answer was lost had happened
    for batch in (first, second):
        with pytest.raises(BusUnavailable):
            await owner.commit(batch.lease, commit_of(batch, session_id))
    await link.call("DEL", offset)
    assert not (await next_of(batches)).entries
    assert numbers(await next_of(batches, has_entries)) == [1, 2]
    assert await redis_bus.journal(session_id) == []
    await owner.close()


async def test_an_owner_that_cannot_keep_its_leases_fails_loudly(redis_bus: RedisStreamsBus, link: Link) -> None:
    await link.call("SET", "voice:presence:owner", "no sorted set")
    owner = redis_bus.own("one")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await next_of(owner.batches())
    await owner.close()


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


async def contents(link: Link) -> str:
    """Return all that the server holds, as text."""
    found: list[object] = []
    for key in cast("list[bytes]", await link.call("KEYS", "*")):
        kind = cast(bytes, await link.call("TYPE", key))
        read = {b"stream": ("XRANGE", key, "-", "+"), b"hash": ("HGETALL", key), b"zset": ("ZRANGE", key, 0, -1)}
        found += [key, await link.call(*read.get(kind, ("GET", key)))]
    return repr(found)
