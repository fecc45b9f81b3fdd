"""Every key has an owner who bounds it, or goes by itself: nothing grows for ever."""

from __future__ import annotations

import asyncio
import re
import time
from typing import NamedTuple, cast

import pytest

import adapters.bus.redis_streams
from adapters.bus.port import Command, Commit
from adapters.bus.redis_link import Link
from adapters.bus.redis_ownership import RedisOwnership
from adapters.bus.redis_streams import RedisStreamsBus
from tests.adapters.bus.steps import WITHIN_S, commit_of, fact, hand, has_entries, next_of, session


class Kept(NamedTuple):
    """Why a key does not stay for ever.

    Attributes:
        owner: Who bounds it; empty if it goes by itself.
        left: What of it is left once all is done and old: entries, fields or a value.
    """

    owner: str
    left: int = 0


KEYS = {
    r"voice:partitions": Kept("the log: one number", 1),
    r"voice:events:\{p\d\d\}": Kept("trim: what is committed and old goes", 1),  # the entry at the offset itself
    r"voice:journal:\{p\d\d\}": Kept("trim: what is old goes", 0),
    r"voice:offset:\{p\d\d\}": Kept("the partition: one position", 1),
    r"voice:epoch:\{p\d\d\}": Kept("the partition: one number", 1),
    r"voice:snapshots:\{p\d\d\}": Kept("the orchestrator: what is long over goes", 1),
    r"voice:tasks:rag:\{p\d\d\}": Kept("the workers: what is settled goes; trim: what nobody took", 0),
    r"voice:dlq:\{p\d\d\}": Kept("a person: retry, drop, or erase the session", 1),
    r"voice:lease:\{p\d\d\}": Kept(""),
    r"voice:ping:\{p\d\d\}": Kept(""),
    r"voice:presence:(owner|rag)": Kept(""),
    r"voice:gateway:g1:\{p\d\d\}": Kept(""),
    r"voice:stt:session:[0-9a-f-]{36}": Kept(""),
    r"orchestrator:session:[0-9a-f-]{36}": Kept(""),
}


async def test_every_key_has_an_owner_or_goes_by_itself(redis_bus: RedisStreamsBus, link: Link) -> None:
    session_id = session()
    owner = redis_bus.own("one")
    await live(redis_bus, owner, session_id)
    await asyncio.sleep(0.01)
    await redis_bus.trim(0.0)
    seen: set[str] = set()
    for key in sorted(cast("list[bytes]", await link.call("KEYS", "*"))):
        name = key.decode()
        [pattern] = [pattern for pattern in KEYS if re.fullmatch(pattern, name)]
        kept, ttl_s = KEYS[pattern], await link.call("TTL", key)
        assert isinstance(ttl_s, int)
        if not kept.owner:
            assert 0 <= ttl_s <= 3600, f"{name} never goes"
        else:
            assert ttl_s == -1, f"{name} goes although {kept.owner}"
            assert await size(link, key) <= kept.left, f"{name} is not bounded by {kept.owner}"
        seen.add(pattern)
    assert seen == set(KEYS)
    await owner.close()


async def live(bus: RedisStreamsBus, owner: RedisOwnership, session_id: str) -> None:
    """A session's whole life: facts, requests served, put aside and never taken, commands, the view, members."""
    batches = owner.batches()
    commands, deliveries = bus.listen("g1"), bus.subscribe("rag", "w1")
    await bus.ping()
    await bus.announce("rag", "w1", 60.0)
    await bus.mirror([fact(session_id)], {session_id: ("LISTENING", time.time())})
    for number in range(5):
        await bus.publish(fact(session_id, number))
        batch = await next_of(batches, has_entries)
        command = Command(session_id=session_id, effects=[{"number": number}])
        requests = [("rag", fact(session_id, number, "voice.rag.request"))]
        await owner.commit(batch.lease, commit_of(batch, session_id, tasks=requests, commands=[("g1", command)]))
        async with asyncio.timeout(WITHIN_S):
            await anext(commands)
        if number == 0:
            await (await hand(deliveries)).dead_letter("no")
        elif number < 4:  # the last is left lying
            await (await hand(deliveries)).ack()


async def size(link: Link, key: bytes) -> int:
    kind = await link.call("TYPE", key)
    counted = {b"stream": "XLEN", b"hash": "HLEN", b"zset": "ZCARD"}.get(cast(bytes, kind))
    count = await link.call(counted, key) if counted else 1
    assert isinstance(count, int)
    return count


async def test_workers_that_are_gone_are_no_members_of_their_group(
    redis_bus: RedisStreamsBus, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapters.bus.redis_streams, "WORKER_GONE_S", 0.05)
    owner = redis_bus.own("one")
    batches = owner.batches()
    gone, holding = redis_bus.subscribe("rag", "gone"), redis_bus.subscribe("rag", "holding")
    for worker in (gone, holding):
        await redis_bus.publish(fact(session(), 1))
        batch = await next_of(batches, has_entries)
        request = fact(session(), 1, "voice.rag.request")
        await owner.commit(batch.lease, Commit(upto=batch.entries[-1].position, tasks=[("rag", request)]))
        delivery = await hand(worker)
        if worker is gone:
            await delivery.ack()
    await gone.aclose()
    await asyncio.sleep(0.3)
    await redis_bus.trim(3600.0)
    members: set[bytes] = set()
    for partition in range(redis_bus.partitions):
        told = await link.call("XINFO", "CONSUMERS", f"voice:tasks:rag:{{p{partition:02d}}}", "rag")
        members |= {consumer[1] for consumer in cast("list[list[bytes]]", told)}
    assert b"gone" not in members
    assert b"holding" in members
    await holding.aclose()
    await owner.close()
