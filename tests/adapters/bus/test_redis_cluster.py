"""What the bus promises on a cluster in particular: it follows slots that move, and one dead node is one dead node."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Sequence

import pytest

from adapters.bus.embedded_cluster import EmbeddedCluster
from adapters.bus.port import BusUnavailable, Command, Commit, Ownership, partition_of
from adapters.bus.redis_link import Keys, Link
from adapters.bus.redis_slots import slot_of
from adapters.bus.redis_streams import RedisStreamsBus
from tests.adapters.bus.conftest import flush
from tests.adapters.bus.steps import WITHIN_S, end, fact, hand, has_entries, next_of, numbers, owning, session

PARTITIONS = 8
Cluster = tuple[str, EmbeddedCluster]


@pytest.fixture
async def bus(cluster: Cluster) -> AsyncIterator[RedisStreamsBus]:
    url, nodes = cluster
    for port in nodes.ports:
        await flush(f"redis://127.0.0.1:{port}")
    made = RedisStreamsBus(url, partitions=PARTITIONS)
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def nodes(cluster: Cluster) -> AsyncIterator[dict[int, Link]]:
    """A link to each node, by its port."""
    links = {port: Link(f"redis://127.0.0.1:{port}") for port in cluster[1].ports}
    yield links
    for link in links.values():
        await link.close()


def test_slots_are_those_of_the_specification() -> None:
    assert slot_of("foo") == 12182  # CLUSTER KEYSLOT foo
    assert slot_of("{user1000}.following") == slot_of("{user1000}.followers") == slot_of("user1000")
    assert slot_of("foo{}{bar}") != slot_of("bar")
    assert slot_of("foo{{bar}}zap") == slot_of("{bar")


async def test_a_cluster_has_more_partitions_of_its_own_accord(cluster: Cluster) -> None:
    url, nodes = cluster
    for port in nodes.ports:
        await flush(f"redis://127.0.0.1:{port}")
    bus = RedisStreamsBus(url)
    await bus.start()
    assert bus.partitions == 64
    await bus.close()


async def test_keys_are_spread_over_all_nodes(bus: RedisStreamsBus, nodes: dict[int, Link]) -> None:
    await bus.publish(*(fact(session(), number) for number in range(60)))
    held = [await link.call("DBSIZE") for link in nodes.values()]
    assert all(isinstance(count, int) and count > 0 for count in held)


@pytest.mark.parametrize("way", ["key by key", "at once"])
async def test_nothing_is_lost_or_out_of_order_while_slots_move(
    bus: RedisStreamsBus, nodes: dict[int, Link], way: str
) -> None:
    sessions = [session() for _ in range(16)]
    owner, heard = bus.own("one"), dict[str, list[object]]()
    running = [asyncio.create_task(fold(owner)), asyncio.create_task(listen(bus, heard))]
    publishing = asyncio.create_task(publish(bus, sessions, 150))
    for partition in range(PARTITIONS):
        await move(nodes, slot_of(Keys.tag(partition)), way)
        await asyncio.sleep(0.05)
    await publishing
    async with asyncio.timeout(WITHIN_S):
        while any(len(heard.get(session_id, [])) < 150 for session_id in sessions):
            await asyncio.sleep(0.02)
    assert all(heard[session_id] == list(range(150)) for session_id in sessions)
    await end(*running)
    await owner.close()


async def test_workers_go_on_while_their_streams_move(bus: RedisStreamsBus, nodes: dict[int, Link]) -> None:
    deliveries = bus.subscribe("rag", "w1")
    waiting = asyncio.create_task(hand(deliveries))
    await asyncio.sleep(0.3)  # it waits at every stream
    session_id = session()
    partition = partition_of(session_id, PARTITIONS)
    await move(nodes, slot_of(Keys.tag(partition)), "key by key")
    owner, _, batch = await owning(bus, fact(session_id, 1))
    request = fact(session_id, 7, "voice.rag.request")
    await owner.commit(batch.lease, Commit(upto=batch.entries[-1].position, tasks=[("rag", request)]))
    delivery = await waiting
    assert delivery.envelope.event_id == request.event_id
    await delivery.ack()
    await owner.close()


async def test_a_frozen_node_fails_fast_what_it_has_and_nothing_else(bus: RedisStreamsBus, cluster: Cluster) -> None:
    url, embedded = cluster
    link = Link(url)
    ports = {partition: await port_of(link, Keys.tag(partition)) for partition in range(PARTITIONS)}
    frozen = ports[0]
    assert len(set(ports.values())) > 1
    stays = session_in(next(partition for partition in ports if ports[partition] != frozen))
    owner = bus.own("one")
    batches = owner.batches()
    announced: set[int] = set()
    while len(announced) < PARTITIONS:
        announced.add((await next_of(batches)).lease.partition)
    os.kill(embedded.pid(frozen), signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(BusUnavailable):
            await bus.publish(fact(session_in(0), 1))
        with pytest.raises(BusUnavailable):
            await bus.ping()
        assert time.monotonic() - began < 0.9  # 0.3 s each, and what this machine adds
        await bus.publish(fact(stays, 2))
        batch = await next_of(batches, has_entries)
        assert numbers(batch) == [2]
        await owner.commit(batch.lease, Commit(upto=batch.entries[-1].position))
    finally:
        os.kill(embedded.pid(frozen), signal.SIGCONT)
    await publish(bus, [session_in(0)], 1)
    seen: list[object] = []
    while 0 not in seen:
        batch = await next_of(batches, has_entries)
        seen += numbers(batch)
        with contextlib.suppress(BusUnavailable):
            await owner.commit(batch.lease, Commit(upto=batch.entries[-1].position))
    await owner.close()
    await link.close()


async def test_a_cluster_that_is_not_there_is_named_without_its_password() -> None:
    bus = RedisStreamsBus("redis+cluster://me:secret@127.0.0.1:1,127.0.0.1:2")
    with pytest.raises(BusUnavailable, match="--bus") as error:
        await bus.start()
    assert "secret" not in str(error.value)
    await bus.close()


async def test_a_server_that_is_no_cluster_is_called_so() -> None:
    alone = await asyncio.start_server(not_a_cluster, "127.0.0.1", 0)
    bus = RedisStreamsBus(f"redis+cluster://127.0.0.1:{alone.sockets[0].getsockname()[1]}")
    with pytest.raises(BusUnavailable, match="cluster support disabled"):
        await bus.start()
    await bus.close()
    alone.close()


async def not_a_cluster(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer as a server that was started alone."""
    await reader.read(1000)
    writer.write(b"-ERR This instance has cluster support disabled\r\n" * 2)
    await reader.read()
    writer.close()


# --- what these tests do again and again


async def fold(owner: Ownership) -> None:
    """Commit whatever comes: for each fact one command."""
    async for batch in owner.batches():
        facts = [entry.envelope for entry in batch.entries if entry.envelope is not None]
        if facts:
            commands = [
                ("g1", Command(session_id=fact.session_id, effects=[{"number": fact.payload["number"]}]))
                for fact in facts
            ]
            with contextlib.suppress(BusUnavailable):
                await owner.commit(batch.lease, Commit(upto=batch.entries[-1].position, commands=commands))


async def listen(bus: RedisStreamsBus, heard: dict[str, list[object]]) -> None:
    async for command in bus.listen("g1"):
        of_session = heard.setdefault(command.session_id, [])
        if (number := command.effects[0]["number"]) not in of_session:  # a copy: published again after an error
            of_session.append(number)


async def publish(bus: RedisStreamsBus, sessions: Sequence[str], count: int) -> None:
    for number in range(count):
        for session_id in sessions:
            envelope = fact(session_id, number)
            async with asyncio.timeout(WITHIN_S):
                while True:
                    try:
                        await bus.publish(envelope)
                        break
                    except BusUnavailable:
                        await asyncio.sleep(0.05)
        await asyncio.sleep(0.002)


async def move(nodes: dict[int, Link], slot: int, way: str) -> None:
    """Give a slot to the next node, as an operator would."""
    names = {port: str(await called(link, "CLUSTER", "MYID")) for port, link in nodes.items()}
    any_link = next(iter(nodes.values()))
    table = await any_link.call("CLUSTER", "SLOTS")
    assert isinstance(table, list)
    source = next(master[1] for first, last, master, *_ in table if first <= slot <= last)
    ports = list(nodes)
    target = ports[(ports.index(source) + 1) % len(ports)]
    if way == "at once":
        await nodes[source].call("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", names[target])
    else:
        await nodes[target].call("CLUSTER", "SETSLOT", slot, "IMPORTING", names[source])
        await nodes[source].call("CLUSTER", "SETSLOT", slot, "MIGRATING", names[target])
        while keys := await nodes[source].call("CLUSTER", "GETKEYSINSLOT", slot, 1):
            assert isinstance(keys, list)
            await nodes[source].call("MIGRATE", "127.0.0.1", target, "", 0, 1000, "KEYS", *keys)
            await asyncio.sleep(0.005)  # long enough for somebody to ask for keys of both nodes
        for port in (target, source):
            await nodes[port].call("CLUSTER", "SETSLOT", slot, "NODE", names[target])
    async with asyncio.timeout(WITHIN_S):
        for link in nodes.values():
            while await owner_of(link, slot) != target:
                await asyncio.sleep(0.02)


async def owner_of(link: Link, slot: int) -> int:
    table = await link.call("CLUSTER", "SLOTS")
    assert isinstance(table, list)
    return next((int(master[1]) for first, last, master, *_ in table if first <= slot <= last), 0)


async def port_of(link: Link, tag: str) -> int:
    return await owner_of(link, slot_of(tag))


async def called(link: Link, *words: object) -> str:
    answer = await link.call(*words)
    assert isinstance(answer, bytes)
    return answer.decode()


def session_in(partition: int) -> str:
    while partition_of(made := str(uuid.uuid4()), PARTITIONS) != partition:
        continue
    return made
