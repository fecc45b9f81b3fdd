"""What every bus promises of its log and of those who own it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time

import msgspec
import pytest

from adapters.bus.kafka import KafkaBus
from adapters.bus.port import Command, Commit, Fenced, Lease, Ownership, partition_of
from adapters.bus.redis_ownership import LEASE_S
from tests.adapters.bus.steps import (
    WITHIN_S,
    Bus,
    append_raw,
    commit_of,
    drain,
    end,
    everything,
    fact,
    hand,
    has_entries,
    next_of,
    numbers,
    owning,
    session,
    something_waits,
    view,
)  # fmt: skip


async def test_a_sessions_facts_arrive_in_the_order_they_were_published(bus: Bus) -> None:
    sessions = [session() for _ in range(5)]
    owner = bus.own("one")
    batches = owner.batches()
    await bus.publish(*(fact(sessions[number % 5], number) for number in range(100)))
    taken = await everything(owner, batches, 100)
    for session_id in sessions:
        mine = [envelope.payload["number"] for _, envelope in taken if envelope.session_id == session_id]
        assert mine == sorted(mine, key=int)  # type: ignore[arg-type]  # numbers, as published
        assert len(mine) == 20
    await owner.close()


async def test_a_session_lies_in_the_partition_of_its_id(bus: Bus) -> None:
    session_id = session()
    owner, _, batch = await owning(bus, fact(session_id))
    assert batch.lease.partition == partition_of(session_id, bus.partitions)
    await owner.close()


def test_partitions_are_counted_as_redis_cluster_counts_slots() -> None:
    # CRC-16/XMODEM of "123456789" is 0x31C3 (the check value of its definition).
    assert partition_of("123456789", 0x10000) == 0x31C3
    assert partition_of("ABC", 64) == partition_of("abc", 64)


async def test_a_partition_newly_owned_is_announced_before_its_entries(bus: Bus) -> None:
    await bus.publish(fact(session()))
    owner = bus.own("one")
    batches = owner.batches()
    announced: set[int] = set()
    async with asyncio.timeout(WITHIN_S):
        async for batch in batches:
            if batch.entries:
                assert batch.lease.partition in announced
                break
            announced.add(batch.lease.partition)
    await owner.close()


async def test_the_next_owner_goes_on_where_the_last_had_committed(bus: Bus) -> None:
    session_id = session()
    first = bus.own("first")
    batches = first.batches()
    await bus.publish(fact(session_id, 1))
    batch = await next_of(batches, has_entries)
    await first.commit(batch.lease, commit_of(batch, session_id, b"after one"))
    await bus.publish(fact(session_id, 2))
    batch = await next_of(batches, has_entries)  # read, but never committed
    assert numbers(batch) == [2]
    epoch = batch.lease.epoch
    await first.close()

    second = bus.own("second")
    batches = second.batches()
    batch = await next_of(batches, has_entries)
    assert numbers(batch) == [2]
    assert await second.snapshots(batch.lease) == {session_id: b"after one"}
    assert batch.lease.epoch > epoch
    await second.close()


async def test_a_frozen_owner_is_replaced_and_its_commit_refused(bus: Bus) -> None:
    session_id = session()
    zombie = bus.own("zombie")
    batches = zombie.batches()
    await bus.publish(fact(session_id, 1))
    batch = await next_of(batches, has_entries)
    zombie.freeze()
    heir = bus.own("heir")
    began = time.monotonic()
    taken_over = await next_of(heir.batches(), has_entries)
    assert numbers(taken_over) == [1]
    assert time.monotonic() - began < 3.0
    request, command = fact(session_id, 7, "voice.rag.request"), Command(session_id=session_id, effects=[])
    with pytest.raises(Fenced):
        await zombie.commit(
            batch.lease, commit_of(batch, session_id, b"zombie", tasks=[("rag", request)], commands=[("g1", command)])
        )
    assert await bus.snapshot(session_id) is None
    assert await bus.journal(session_id) == []
    assert not await something_waits(bus.subscribe("rag", "w1"))
    assert not await something_waits(bus.listen("g1"))
    await heir.commit(taken_over.lease, commit_of(taken_over, session_id, b"heir"))
    assert await bus.snapshot(session_id) == b"heir"
    assert batch.lease not in zombie.leases
    await zombie.close()
    await heir.close()


async def test_the_partitions_of_the_dead_go_to_an_owner_that_has_its_share_already(bus: Bus) -> None:
    dead, heir = bus.own("dead"), bus.own("heir")
    running = [asyncio.create_task(drain(owner)) for owner in (dead, heir)]
    async with asyncio.timeout(WITHIN_S):
        while {len(dead.leases), len(heir.leases)} != {2}:
            await asyncio.sleep(0.02)
        dead.freeze()
        began = time.monotonic()
        while len(heir.leases) < 4:
            await asyncio.sleep(0.01)
    # By itself it takes 1.25 leases at most (the lease, and a quarter until the next look); the rest is this machine's.
    assert time.monotonic() - began < 2 * LEASE_S
    await end(*running)
    for owner in (dead, heir):
        await owner.close()


async def test_no_fact_is_lost_or_folded_twice_while_owners_come_and_go(bus: Bus) -> None:
    session_ids = [session() for _ in range(8)]
    owners = [bus.own(f"owner-{number}") for number in range(4)]

    async def fold(owner: Ownership) -> None:
        async for batch in owner.batches():
            if batch.entries:
                journal = [
                    msgspec.json.encode({"session_id": entry.envelope.session_id, "position": entry.position})
                    for entry in batch.entries
                    if entry.envelope is not None
                ]
                with contextlib.suppress(Fenced):
                    await owner.commit(batch.lease, Commit(upto=batch.entries[-1].position, journal=journal))

    async def publish(count: int) -> None:
        for number in range(count):
            await bus.publish(*(fact(session_id, number) for session_id in session_ids))
            await asyncio.sleep(0.005)

    running = [asyncio.create_task(fold(owners[0])), asyncio.create_task(fold(owners[1]))]
    await publish(20)
    running.append(asyncio.create_task(fold(owners[2])))
    await publish(20)
    owners[0].freeze()
    await owners[1].close()
    await publish(20)
    running.append(asyncio.create_task(fold(owners[3])))
    await publish(20)
    async with asyncio.timeout(WITHIN_S):
        for session_id in session_ids:
            published = [entry.position for entry in await bus.replay(session_id)]
            assert len(published) == 80
            while len(records := await bus.journal(session_id)) < 80:
                await asyncio.sleep(0.02)
            assert [msgspec.json.decode(record)["position"] for record in records] == published
    await end(*running)
    for owner in owners:
        await owner.close()


async def test_two_owners_share_the_partitions_and_take_all_when_one_leaves(bus: Bus) -> None:
    first, second = bus.own("first"), bus.own("second")
    running = [asyncio.create_task(drain(owner)) for owner in (first, second)]
    async with asyncio.timeout(WITHIN_S):
        while {len(first.leases), len(second.leases)} != {2}:
            await asyncio.sleep(0.02)
        held = [lease.partition for lease in (*first.leases, *second.leases)]
        assert sorted(held) == [0, 1, 2, 3]
        await second.close()
        while len(first.leases) != 4:
            await asyncio.sleep(0.02)
    await first.close()
    await end(*running)


async def test_a_commit_is_all_or_nothing(bus: Bus) -> None:
    session_id = session()
    owner, _, batch = await owning(bus, fact(session_id, 1))
    request = fact(session_id, 7, "voice.rag.request")
    stale = Lease(partition=batch.lease.partition, epoch=batch.lease.epoch - 1)
    outcome = commit_of(batch, session_id, tasks=[("rag", request)])
    with pytest.raises(Fenced):
        await owner.commit(stale, outcome)
    assert await bus.snapshot(session_id) is None
    assert await bus.journal(session_id) == []
    await owner.close()


async def test_what_a_commit_made_is_there(bus: Bus) -> None:
    session_id = session()
    owner, _, batch = await owning(bus, fact(session_id, 1))
    command = Command(session_id=session_id, effects=[{"effect": "CommitSpeech"}])
    request = fact(session_id, 7, "voice.rag.request")
    await owner.commit(
        batch.lease, commit_of(batch, session_id, b"kept", tasks=[("rag", request)], commands=[("g1", command)])
    )
    assert await bus.snapshot(session_id) == b"kept"
    assert await bus.all_snapshots() == {session_id: b"kept"}
    assert len(await bus.journal(session_id)) == 1
    delivery = await hand(bus.subscribe("rag", "w1"))
    assert delivery.envelope.event_id == request.event_id
    assert delivery.envelope.metadata["epoch"] == batch.lease.epoch
    await delivery.ack()
    async with asyncio.timeout(WITHIN_S):
        async for heard in bus.listen("g1"):
            assert heard.effects == [{"effect": "CommitSpeech"}]
            assert heard.epoch == batch.lease.epoch
            break
    await owner.close()


async def test_gateways_ask_each_other_whatever_the_epoch_of_the_owner(bus: Bus) -> None:
    session_id = session()
    owner, _, batch = await owning(bus, fact(session_id, 1))
    ordered, asked = (Command(session_id=session_id, effects=[{"effect": name}]) for name in ("CommitSpeech", "Ask"))
    await owner.commit(batch.lease, commit_of(batch, session_id, commands=[("g1", ordered)]))
    await bus.send("g1", asked)
    heard: list[Command] = []
    async with asyncio.timeout(WITHIN_S):
        async for command in bus.listen("g1"):
            heard.append(command)
            if len(heard) == 2:
                break
    assert [command.epoch for command in heard] == [batch.lease.epoch, 0]
    assert heard[1].effects == asked.effects
    await owner.close()


async def test_an_empty_state_removes_the_session(bus: Bus) -> None:
    session_id = session()
    owner = bus.own("one")
    batches = owner.batches()
    for state in (b"there", b""):
        await bus.publish(fact(session_id))
        batch = await next_of(batches, has_entries)
        await owner.commit(batch.lease, commit_of(batch, session_id, state))
    assert await bus.snapshot(session_id) is None
    await owner.close()


async def test_the_log_of_a_session_is_replayed_in_order_and_from_a_position(bus: Bus) -> None:
    session_id, other = session(), session()
    positions = await bus.publish(*(fact(session_id, number) for number in range(3)))
    await bus.publish(fact(other))
    entries = await bus.replay(session_id)
    assert [entry.position for entry in entries] == positions
    assert [entry.position for entry in await bus.replay(session_id, positions[0])] == positions[1:]
    for nonsense in ("yesterday", "-1", "1-2-3", "9" * 30, "\u0663", "(1"):
        with pytest.raises(ValueError, match="position"):
            await bus.replay(session_id, nonsense)


async def test_the_session_view_holds_envelopes_under_the_guides_names(bus: Bus) -> None:
    session_id = session()
    await bus.mirror(
        [fact(session_id, 1), fact(session_id, 2, "voice.webrtc.playback_done"), fact(session_id, 3, "voice.vad.x")],
        {session_id: ("LISTENING", 12.5)},
    )
    has_view = not isinstance(bus, KafkaBus)  # plain Redis commands cannot read it there
    shown = [envelope.payload["number"] for envelope in await view(bus, f"voice:stt:session:{session_id}")]
    assert shown == ([1, 3] if has_view else [])
    assert len(await view(bus, f"voice:webrtc:session:{session_id}")) == has_view


async def test_an_erased_session_leaves_nothing(bus: Bus) -> None:
    session_id = session()
    owner, _, batch = await owning(bus, fact(session_id))
    await owner.commit(batch.lease, commit_of(batch, session_id))
    await bus.mirror([fact(session_id)], {session_id: ("LISTENING", 1.0)})
    await bus.erase(session_id)
    assert await bus.replay(session_id) == []
    assert await bus.journal(session_id) == []
    assert await bus.snapshot(session_id) is None
    assert await view(bus, f"voice:stt:session:{session_id}") == []
    await owner.close()


async def test_trimming_takes_what_is_old_and_committed_and_nothing_else(bus: Bus) -> None:
    session_id = session()
    owner, _, batch = await owning(bus, fact(session_id, 1))
    await owner.commit(batch.lease, commit_of(batch, session_id))
    await bus.publish(fact(session_id, 2))
    await asyncio.sleep(0.02)
    await bus.trim(3600.0)
    assert len(await bus.replay(session_id)) == 2
    await bus.trim(0.0)
    left = [entry.envelope.payload["number"] for entry in await bus.replay(session_id) if entry.envelope]
    assert left[-1] == 2
    await owner.close()


async def test_what_a_stranger_wrote_wrongly_is_an_entry_with_an_error(bus: Bus) -> None:
    strange = (
        b"{", b'{"event_type": 7}', b'{"event_type": "voice.stt.final"}', b"[]", b"\xff\xfe", b"", b"[" * 2000,
        b'{"event_type": "voice.stt.final", "session_id": "{p03}", "payload": {"text": "hi"}}',
        json.dumps({"event_type": "voice.stt.final", "session_id": session().upper()}).encode(),
        b'{"event_type": "voice.stt.final", "session_id": "\xff"}',
    )  # fmt: skip
    for data in strange:
        await append_raw(bus, 3, data)
    owner = bus.own("one")
    batch = await next_of(owner.batches(), has_entries)
    assert [entry.envelope for entry in batch.entries] == [None] * len(strange)
    assert all(entry.error for entry in batch.entries)
    await owner.commit(batch.lease, Commit(upto=batch.entries[-1].position))
    await owner.close()


async def test_a_fact_in_an_outside_sources_own_json_is_like_any_other(bus: Bus) -> None:
    session_id, other = session(), session()
    spaced = json.dumps(
        {"event_type": "voice.stt.final", "session_id": session_id, "payload": {"text": "hi"}}, indent=2
    )
    about = {"event_type": "voice.stt.final", "session_id": other, "payload": {"text": session_id}}
    partition = partition_of(session_id, bus.partitions)
    await append_raw(bus, partition, spaced.encode())
    await append_raw(bus, partition, json.dumps(about).encode())
    [entry] = await bus.replay(session_id)
    assert entry.envelope is not None
    assert entry.envelope.payload == {"text": "hi"}
    await bus.erase(session_id)
    assert await bus.replay(session_id) == []
    owner = bus.own("one")
    batch = await next_of(owner.batches(), has_entries)
    assert [entry.envelope.session_id for entry in batch.entries if entry.envelope is not None] == [other]
    await owner.close()


async def test_members_are_those_who_said_so_lately(bus: Bus) -> None:
    await bus.announce("intent", "w1", 5.0)
    await bus.announce("intent", "w2", 0.05)
    await bus.announce("rag", "w3", 5.0)
    await asyncio.sleep(0.1)
    assert await bus.members("intent") == ["w1"]
    assert await bus.members("tts") == []
