"""What every bus promises."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest

from adapters.bus.memory import MemoryBus
from adapters.bus.port import Batch, Command, Commit, EventBus, Fenced, Lease, Ownership, TaskDelivery, partition_of
from adapters.bus.redis_streams import RedisStreamsBus
from statecharts.events import Envelope

WITHIN_S = 10.0
Bus = MemoryBus | RedisStreamsBus


def session() -> str:
    return str(uuid.uuid4())


def fact(session_id: str, number: int = 0, event_type: str = "voice.stt.final") -> Envelope:
    return Envelope(
        event_type=event_type, session_id=session_id, payload={"text": f"word {number}", "number": number},
        event_id=str(uuid.uuid4()), timestamp=time.time(), source="test",
    )  # fmt: skip


async def next_of(batches: AsyncIterator[Batch], wanted: Callable[[Batch], bool] = lambda batch: True) -> Batch:
    async with asyncio.timeout(WITHIN_S):
        async for batch in batches:
            if wanted(batch):
                return batch
    raise AssertionError("the batches ended")


def has_entries(batch: Batch) -> bool:
    return bool(batch.entries)


def commit_of(batch: Batch, session_id: str, state: bytes = b"state", **more: object) -> Commit:
    record = msgspec.json.encode({"session_id": session_id, "position": batch.entries[-1].position})
    outcome = Commit(upto=batch.entries[-1].position, snapshots={session_id: state}, journal=[record])
    return msgspec.structs.replace(outcome, **more)


def numbers(batch: Batch) -> list[object]:
    return [entry.envelope.payload["number"] for entry in batch.entries if entry.envelope is not None]


async def hand(deliveries: AsyncIterator[TaskDelivery]) -> TaskDelivery:
    async with asyncio.timeout(WITHIN_S):
        return await anext(deliveries)


async def ask(bus: EventBus, *requests: Envelope, kind: str = "rag") -> None:
    """Have requests made by a commit, as an orchestrator does."""
    owner = bus.own(f"asker-{session()}")
    batches = owner.batches()
    await bus.publish(*requests)
    left = {request.event_id for request in requests}
    while left:
        batch = await next_of(batches, has_entries)
        envelopes = [entry.envelope for entry in batch.entries if entry.envelope is not None]
        await owner.commit(
            batch.lease, Commit(upto=batch.entries[-1].position, tasks=[(kind, envelope) for envelope in envelopes])
        )
        left -= {envelope.event_id for envelope in envelopes}
    await owner.close()


async def everything(owner: Ownership, batches: AsyncIterator[Batch], count: int) -> list[tuple[Lease, Envelope]]:
    taken: list[tuple[Lease, Envelope]] = []
    while len(taken) < count:
        batch = await next_of(batches, has_entries)
        taken += [(batch.lease, entry.envelope) for entry in batch.entries if entry.envelope is not None]
        await owner.commit(batch.lease, Commit(upto=batch.entries[-1].position))
    return taken


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
    owner = bus.own("one")
    batches = owner.batches()
    await bus.publish(fact(session_id))
    batch = await next_of(batches, has_entries)
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
    await first.close()

    second = bus.own("second")
    batches = second.batches()
    batch = await next_of(batches, has_entries)
    assert numbers(batch) == [2]
    assert await second.snapshots(batch.lease) == {session_id: b"after one"}
    assert batch.lease.epoch > 1
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
    with pytest.raises(Fenced):
        await zombie.commit(batch.lease, commit_of(batch, session_id, b"zombie"))
    await heir.commit(taken_over.lease, commit_of(taken_over, session_id, b"heir"))
    assert await bus.snapshot(session_id) == b"heir"
    assert batch.lease not in zombie.leases
    await zombie.close()
    await heir.close()


async def test_two_owners_share_the_partitions_and_take_all_when_one_leaves(bus: Bus) -> None:
    first, second = bus.own("first"), bus.own("second")
    running = [asyncio.create_task(_drain(owner)) for owner in (first, second)]
    async with asyncio.timeout(WITHIN_S):
        while {len(first.leases), len(second.leases)} != {2}:
            await asyncio.sleep(0.02)
        held = [lease.partition for lease in (*first.leases, *second.leases)]
        assert sorted(held) == [0, 1, 2, 3]
        await second.close()
        while len(first.leases) != 4:
            await asyncio.sleep(0.02)
    await first.close()
    await _end(*running)


async def test_a_commit_is_all_or_nothing(bus: Bus) -> None:
    session_id = session()
    owner = bus.own("one")
    batches = owner.batches()
    await bus.publish(fact(session_id, 1))
    batch = await next_of(batches, has_entries)
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
    owner = bus.own("one")
    batches = owner.batches()
    await bus.publish(fact(session_id, 1))
    batch = await next_of(batches, has_entries)
    command = Command(session_id=session_id, effects=[{"effect": "CutUtterance"}])
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
            assert heard.effects == [{"effect": "CutUtterance"}]
            assert heard.epoch == batch.lease.epoch
            break
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


async def test_workers_of_a_kind_share_its_requests(bus: Bus) -> None:
    await ask(bus, *(fact(session(), number, "voice.rag.request") for number in range(20)))
    served: dict[str, list[object]] = {"a": [], "b": []}

    async def work(name: str) -> None:
        async for delivery in bus.subscribe("rag", name):
            served[name].append(delivery.envelope.payload["number"])
            await delivery.ack()
            await asyncio.sleep(0.01)

    workers = [asyncio.create_task(work(name)) for name in served]
    async with asyncio.timeout(WITHIN_S):
        while sum(map(len, served.values())) < 20:
            await asyncio.sleep(0.01)
    await _end(*workers)
    assert sorted(served["a"] + served["b"], key=str) == sorted(range(20), key=str)
    assert served["a"]
    assert served["b"]


async def test_a_request_given_back_is_handed_out_again_and_counted(bus: Bus) -> None:
    await ask(bus, fact(session(), 1, "voice.rag.request"))
    deliveries = bus.subscribe("rag", "w1")
    for attempt in (1, 2, 3):
        delivery = await hand(deliveries)
        assert delivery.attempts == attempt
        began = time.monotonic()
        if attempt < 3:
            await delivery.nack(0.1)
    assert time.monotonic() - began < WITHIN_S
    await delivery.ack()
    await deliveries.aclose()  # type: ignore[attr-defined]  # every bus yields from a generator


async def test_the_request_of_a_dead_worker_is_handed_to_another(bus: Bus) -> None:
    await ask(bus, fact(session(), 1, "voice.rag.request"))
    dead = bus.subscribe("rag", "dead")
    await hand(dead)
    await dead.aclose()  # type: ignore[attr-defined]  # as above
    delivery = await hand(bus.subscribe("rag", "alive"))
    assert delivery.attempts == 2
    await delivery.ack()


async def test_a_request_put_aside_is_kept_with_its_error_and_not_handed_out_again(bus: Bus) -> None:
    session_id = session()
    request = fact(session_id, 1, "voice.rag.request")
    await ask(bus, request, fact(session_id, 2, "voice.rag.request"))
    deliveries = bus.subscribe("rag", "w1")
    await (await hand(deliveries)).dead_letter("cannot be answered")
    following = await hand(deliveries)
    assert following.envelope.payload["number"] == 2
    await following.ack()
    letters = await _dead_letters(bus, session_id)
    assert [letter.event_type for letter in letters] == ["voice.dlq.added"]
    assert letters[0].payload["error"] == "cannot be answered"
    assert letters[0].payload["attempts"] == 1


async def test_commands_reach_their_gateway_in_order_and_no_other(bus: Bus) -> None:
    session_id = session()
    owner = bus.own("one")
    batches = owner.batches()
    for number in range(5):
        await bus.publish(fact(session_id, number))
        batch = await next_of(batches, has_entries)
        command = Command(session_id=session_id, effects=[{"number": number}])
        other = Command(session_id=session_id, effects=[{"other": number}])
        await owner.commit(batch.lease, commit_of(batch, session_id, commands=[("mine", command), ("theirs", other)]))
    heard = []
    async with asyncio.timeout(WITHIN_S):
        async for command in bus.listen("mine"):
            heard.append(command.effects[0]["number"])
            if len(heard) == 5:
                break
    assert heard == [0, 1, 2, 3, 4]
    await owner.close()


async def test_the_log_of_a_session_is_replayed_in_order_and_from_a_position(bus: Bus) -> None:
    session_id, other = session(), session()
    positions = await bus.publish(*(fact(session_id, number) for number in range(3)))
    await bus.publish(fact(other))
    entries = await bus.replay(session_id)
    assert [entry.position for entry in entries] == positions
    assert [entry.position for entry in await bus.replay(session_id, positions[0])] == positions[1:]
    with pytest.raises(ValueError, match="position"):
        await bus.replay(session_id, "yesterday")


async def test_the_session_view_holds_envelopes_under_the_guides_names(bus: Bus) -> None:
    session_id = session()
    await bus.mirror(
        [fact(session_id, 1), fact(session_id, 2, "voice.webrtc.playback_done"), fact(session_id, 3, "voice.vad.x")],
        {session_id: ("LISTENING", 12.5)},
    )
    assert [envelope.payload["number"] for envelope in await _view(bus, f"voice:stt:session:{session_id}")] == [1, 3]
    assert len(await _view(bus, f"voice:webrtc:session:{session_id}")) == 1


async def test_an_erased_session_leaves_nothing(bus: Bus) -> None:
    session_id = session()
    owner = bus.own("one")
    batches = owner.batches()
    await bus.publish(fact(session_id))
    batch = await next_of(batches, has_entries)
    await owner.commit(batch.lease, commit_of(batch, session_id))
    await bus.mirror([fact(session_id)], {session_id: ("LISTENING", 1.0)})
    await bus.erase(session_id)
    assert await bus.replay(session_id) == []
    assert await bus.journal(session_id) == []
    assert await bus.snapshot(session_id) is None
    assert await _view(bus, f"voice:stt:session:{session_id}") == []
    await owner.close()


async def test_trimming_takes_what_is_old_and_committed_and_nothing_else(bus: Bus) -> None:
    session_id = session()
    owner = bus.own("one")
    batches = owner.batches()
    await bus.publish(fact(session_id, 1))
    batch = await next_of(batches, has_entries)
    await owner.commit(batch.lease, commit_of(batch, session_id))
    await bus.publish(fact(session_id, 2))
    await asyncio.sleep(0.02)
    await bus.trim(3600.0)
    assert len(await bus.replay(session_id)) == 2
    await bus.trim(0.0)
    left = [entry.envelope.payload["number"] for entry in await bus.replay(session_id) if entry.envelope]
    assert left[-1] == 2
    await owner.close()


async def test_members_are_those_who_said_so_lately(bus: Bus) -> None:
    await bus.announce("intent", "w1", 5.0)
    await bus.announce("intent", "w2", 0.05)
    await bus.announce("rag", "w3", 5.0)
    await asyncio.sleep(0.1)
    assert await bus.members("intent") == ["w1"]
    assert await bus.members("tts") == []


async def _drain(owner: Ownership) -> None:
    async for _ in owner.batches():
        continue


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _view(bus: Bus, stream: str) -> list[Envelope]:
    if isinstance(bus, MemoryBus):
        return bus.view(stream)
    entries = await bus.link.range(stream, "-", 100)
    return [msgspec.json.decode(entry.data or b"", type=Envelope) for entry in entries]


async def _dead_letters(bus: Bus, session_id: str) -> list[Envelope]:
    if isinstance(bus, MemoryBus):
        return bus.dead
    partition = partition_of(session_id, bus.partitions)
    return await _view(bus, f"voice:dlq:{{p{partition:02d}}}")
