"""A master of a cluster is killed, or stands still: its replica takes its place, and nothing is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapters.bus.embedded_cluster import EmbeddedCluster
from adapters.bus.port import partition_of
from adapters.bus.redis_link import Keys, Link
from adapters.bus.redis_slots import slot_of
from adapters.bus.redis_streams import RedisStreamsBus
from tests.faults.traffic import Traffic, until


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[EmbeddedCluster]:
    made = EmbeddedCluster(tmp_path, replicas=2)
    yield made
    made.stop()


@pytest.fixture
async def bus(cluster: EmbeddedCluster) -> AsyncIterator[RedisStreamsBus]:
    # A master that stood still executes on waking what was sent to it meanwhile, before it learns that it is none any
    # more: so it takes nothing without a replica that follows.
    careful = ("--min-replicas-to-write", "1", "--min-replicas-max-lag", "1")
    made = RedisStreamsBus(cluster.start("--appendonly", "yes", *careful), partitions=16)
    await made.start()
    yield made
    await made.close()


@pytest.mark.parametrize("fault", ["killed", "frozen"])
async def test_a_replica_takes_over_and_no_acknowledged_fact_is_lost(
    bus: RedisStreamsBus, cluster: EmbeddedCluster, fault: str
) -> None:
    traffic = Traffic(bus)
    master = await port_of(bus.link, Keys.tag(partition_of(traffic.session_id, bus.partitions)))
    pid = cluster.pid(master)
    with capture_logs() as logs:
        async with traffic.running():
            await traffic.goes_on()
            os.kill(pid, signal.SIGKILL if fault == "killed" else signal.SIGSTOP)
            await until(lambda: bool(traffic.waits_s))
            if fault == "frozen":
                os.kill(pid, signal.SIGCONT)
            await traffic.goes_on()
            await until(lambda: any(line["event"] == "bus_back" for line in logs))
        await traffic.check()
    assert await port_of(bus.link, Keys.tag(partition_of(traffic.session_id, bus.partitions))) != master
    assert max(traffic.waits_s) < 15.0  # 2 s on a quiet machine: 1 s until it is believed dead, and a vote


async def port_of(link: Link, tag: str) -> int:
    table = await link.call("CLUSTER", "SLOTS")
    assert isinstance(table, list)
    return next(int(master[1]) for first, last, master, *_ in table if first <= slot_of(tag) <= last)
