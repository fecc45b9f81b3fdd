"""A master that Sentinels watch is killed, or stands still: another takes its place, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import NamedTuple, cast

import pytest
from structlog.testing import capture_logs

from adapters.bus.port import BusUnavailable
from adapters.bus.redis_link import Link
from adapters.bus.redis_streams import RedisStreamsBus
from tests.faults.servers import Server
from tests.faults.traffic import Traffic, until

DOWN_AFTER_MS = 500
PASSWORD, SENTINELS_PASSWORD = "of-the-data", "of-the-sentinels"
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
        yield Guarded(
            started[:3], f"redis+sentinel://:{PASSWORD}@{hosts}/voices?sentinel_password={SENTINELS_PASSWORD}"
        )
    finally:
        for server in reversed(started):
            server.stop()


def data_options() -> tuple[str, ...]:
    # What facts a master may take while nobody follows it would be lost with it.
    settings = {
        "requirepass": PASSWORD, "masterauth": PASSWORD, "appendonly": "yes",
        "min-replicas-to-write": "1", "min-replicas-max-lag": "1",
        "repl-diskless-sync-delay": "0", "repl-ping-replica-period": "1",
    }  # fmt: skip
    return tuple(word for name, value in settings.items() for word in (f"--{name}", value))


def start(folder: Path, *options: str) -> Server:
    server = Server(folder, *options)
    server.start()
    return server


def watching(folder: Path, port: int) -> Server:
    folder.mkdir()
    settings = folder / "sentinel.conf"
    settings.write_text(
        f"sentinel monitor voices 127.0.0.1 {port} 2\nsentinel down-after-milliseconds voices {DOWN_AFTER_MS}\n"
        f"sentinel failover-timeout voices 3000\nsentinel auth-pass voices {PASSWORD}\n"
        f"requirepass {SENTINELS_PASSWORD}\nsentinel sentinel-pass {SENTINELS_PASSWORD}\n"
    )
    return start(folder, str(settings), "--sentinel")


@pytest.fixture
async def bus(guarded: Guarded) -> AsyncIterator[RedisStreamsBus]:
    made = RedisStreamsBus(guarded.url)
    master = Link(guarded.servers[0].url.replace("//", f"//:{PASSWORD}@"))
    hosts = guarded.url.split("@")[1].split("/")[0].split(",")
    sentinels = [Link(f"redis://:{SENTINELS_PASSWORD}@{host}") for host in hosts]
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


@pytest.mark.parametrize(
    "fault",
    [pytest.param("killed", marks=pytest.mark.fault(6)), pytest.param("frozen", marks=pytest.mark.fault(7))],
)
async def test_another_server_takes_over_and_no_acknowledged_fact_is_lost(
    guarded: Guarded, bus: RedisStreamsBus, fault: str, measured: Callable[[str], None]
) -> None:
    traffic = Traffic(bus)
    with capture_logs() as logs:
        async with traffic.running():
            await traffic.goes_on()
            if fault == "killed":
                await asyncio.to_thread(guarded.servers[0].kill)
                await until(lambda: bool(traffic.waits_s))
            else:
                with guarded.servers[0].frozen():
                    await until(lambda: bool(traffic.waits_s))
            await traffic.goes_on()
            await until(lambda: any(line["event"] == "bus_back" for line in logs))
        await traffic.check()
    measured(f"{fault}: calls failed for {max(traffic.waits_s):.2f} s, nothing acknowledged was lost")
    assert max(traffic.waits_s) < 10.0  # 2 s on a quiet machine: 0.5 s until it is believed dead, a vote, a promotion


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
