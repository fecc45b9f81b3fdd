"""A master that Sentinels watch is killed, or stands still: another takes its place, and nothing is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import NamedTuple, cast

import pytest
from structlog.testing import capture_logs

from adapters.bus.port import BusUnavailable
from adapters.bus.redis_link import Link
from adapters.bus.redis_streams import RedisStreamsBus
from tests.adapters.bus.steps import commit_of, end, fact, has_entries, session
from tests.faults.servers import Server

DOWN_AFTER_MS = 500
WITHIN_S = 30.0


class Guarded(NamedTuple):
    """A master, its replicas, and the Sentinels that watch them."""

    servers: list[Server]
    url: str


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    started: list[Server] = []
    try:
        for index in range(3):
            following = ("--replicaof", f"127.0.0.1 {started[0].port}") if index else ()
            started.append(start(tmp_path / f"server-{index}", *data_options(), *following))
        sentinels = [watching(tmp_path / f"sentinel-{index}", started[0].port) for index in range(3)]
        started += sentinels
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in sentinels)
        yield Guarded(started[:3], f"redis+sentinel://{hosts}/voices")
    finally:
        for server in reversed(started):
            server.stop()


def data_options() -> tuple[str, ...]:
    # What facts a master may take while nobody follows it would be lost with it.
    return ("--appendonly", "yes", "--min-replicas-to-write", "1", "--min-replicas-max-lag", "1",
            "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")  # fmt: skip


def start(folder: Path, *options: str) -> Server:
    server = Server(folder, *options)
    server.start()
    return server


def watching(folder: Path, port: int) -> Server:
    folder.mkdir()
    settings = folder / "sentinel.conf"
    settings.write_text(
        f"sentinel monitor voices 127.0.0.1 {port} 2\nsentinel down-after-milliseconds voices {DOWN_AFTER_MS}\n"
        "sentinel failover-timeout voices 3000\n"
    )
    return start(folder, str(settings), "--sentinel")


@pytest.fixture
async def bus(guarded: Guarded) -> AsyncIterator[RedisStreamsBus]:
    made = RedisStreamsBus(guarded.url)
    master = Link(guarded.servers[0].url)
    sentinels = [Link(f"redis://{host}") for host in guarded.url.split("/")[2].split(",")]
    async with asyncio.timeout(WITHIN_S):
        while b"connected_slaves:2" not in cast(bytes, await master.call("INFO", "replication")):
            await asyncio.sleep(0.05)
        for sentinel in sentinels:
            while await seen_by(sentinel) != (2, 2):  # the other Sentinels, the replicas
                await asyncio.sleep(0.05)
        while True:  # a new replica counts after its first report only
            try:
                await made.start()
                break
            except BusUnavailable:
                await asyncio.sleep(0.05)
    for link in (master, *sentinels):
        await link.close()
    yield made
    await made.close()


async def seen_by(sentinel: Link) -> tuple[int, int]:
    answer = await sentinel.call("SENTINEL", "MASTER", "voices")
    assert isinstance(answer, list)
    told = dict(zip(answer[::2], answer[1::2], strict=True))
    return int(told[b"num-other-sentinels"]), int(told[b"num-slaves"])


@pytest.mark.parametrize("fault", ["killed", "frozen"])
async def test_another_server_takes_over_and_no_acknowledged_fact_is_lost(
    guarded: Guarded, bus: RedisStreamsBus, fault: str
) -> None:
    session_id, acknowledged = session(), list[int]()
    folded: list[object] = []
    outages: list[float] = []
    with capture_logs() as logs:
        running = [asyncio.create_task(publish(bus, session_id, acknowledged, outages)),
                   asyncio.create_task(fold(bus, folded))]  # fmt: skip
        await until(lambda: len(acknowledged) > 200)
        if fault == "killed":
            await asyncio.to_thread(guarded.servers[0].kill)
            await until(lambda: bool(outages))
        else:
            with guarded.servers[0].frozen():
                await until(lambda: bool(outages))
        went_on = len(acknowledged)
        await until(lambda: len(acknowledged) > went_on + 200)
        running[0].cancel()
        await until(lambda: set(folded) >= set(acknowledged))
        await end(*running)
    assert max(outages) < 10.0  # 2 s on a quiet machine: 0.5 s until it is believed dead, a vote, a promotion
    kept = [entry.envelope.payload["number"] for entry in await bus.replay(session_id) if entry.envelope]
    assert set(kept) >= set(acknowledged)
    assert [number for number in folded if number in set(acknowledged)] == acknowledged
    told = [line["event"] for line in logs if line["event"].startswith("bus_")]
    assert told.count("bus_away") >= 1
    assert told[-1] == "bus_back"


async def test_a_name_no_sentinel_knows_is_told(guarded: Guarded) -> None:
    stranger = RedisStreamsBus(guarded.url.replace("/voices", "/others"))
    with pytest.raises(BusUnavailable, match="knows no master called others"):
        await stranger.start()
    await stranger.close()


async def test_sentinels_that_are_away_are_told() -> None:
    bus = RedisStreamsBus("redis+sentinel://:secret@127.0.0.1:1,127.0.0.1:2/voices?sentinel_password=hidden")
    with pytest.raises(BusUnavailable, match="no Sentinel names the master of voices") as error:
        await bus.start()
    assert "secret" not in str(error.value)
    assert "hidden" not in str(error.value)
    await bus.close()


async def publish(bus: RedisStreamsBus, session_id: str, acknowledged: list[int], outages: list[float]) -> None:
    """Publish numbers one after the other, each until it is acknowledged; note how long the longest took."""
    number = 0
    while True:
        envelope, began, failed = fact(session_id, number), time.monotonic(), False
        while True:
            try:
                await bus.publish(envelope)
                break
            except BusUnavailable:
                failed = True
                await asyncio.sleep(0.02)
        acknowledged.append(number)
        if failed:
            outages.append(time.monotonic() - began)
        number += 1
        await asyncio.sleep(0.002)


async def fold(bus: RedisStreamsBus, folded: list[object]) -> None:
    """Note each fact once it is committed; a copy, published again after an error, is dropped by its number."""
    owner = bus.own("one")
    try:
        async for batch in owner.batches():
            if not has_entries(batch):
                continue
            try:
                await owner.commit(batch.lease, commit_of(batch, batch.entries[0].envelope.session_id))  # type: ignore[union-attr]  # only facts are published here
            except BusUnavailable:
                continue  # it is read anew, whether it happened or not
            for entry in batch.entries:
                if entry.envelope is not None and entry.envelope.payload["number"] not in folded:
                    folded.append(entry.envelope.payload["number"])
    finally:
        await owner.close()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not true():
            await asyncio.sleep(0.02)
