"""The bus in memory and on real servers: the same suite runs on all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from adapters.bus.embedded_cluster import EmbeddedCluster
from adapters.bus.embedded_valkey import EmbeddedValkey
from adapters.bus.kafka import KafkaBus
from adapters.bus.memory import MemoryBus
from adapters.bus.redis_link import Link
from adapters.bus.redis_streams import RedisStreamsBus
from tests.adapters.bus.kafka_broker import KafkaBroker
from tests.adapters.bus.steps import Bus

MIN_IDLE_S = 0.3


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = EmbeddedValkey(tmp_path_factory.mktemp("valkey"))
    yield server.start()
    server.stop()


@pytest.fixture
def kafka_broker() -> Iterator[KafkaBroker]:
    # One for each test: it starts in a moment, and cannot be emptied.
    broker = KafkaBroker()
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
async def kafka_bus(kafka_broker: KafkaBroker) -> AsyncIterator[KafkaBus]:
    """One of a single partition: what is written or lost next is always its."""
    made = KafkaBus(kafka_broker.url, partitions=1, min_idle_s=MIN_IDLE_S)
    await made.start()
    yield made
    await made.close()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, EmbeddedCluster]]:
    """A cluster of three nodes, and its address."""
    made = EmbeddedCluster(tmp_path_factory.mktemp("cluster"))
    yield made.start(), made
    made.stop()


@pytest.fixture(params=["memory", "redis", "cluster", "kafka"])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    made: Bus
    if request.param == "memory":
        made = MemoryBus(4, min_idle_s=MIN_IDLE_S)
    elif request.param == "kafka":
        made = KafkaBus(request.getfixturevalue("kafka_broker").url, partitions=4, min_idle_s=MIN_IDLE_S)
    else:
        if request.param == "redis":
            url = request.getfixturevalue("valkey_url")
            await flush(url)
        else:
            url, nodes = request.getfixturevalue("cluster")
            for port in nodes.ports:
                await flush(f"redis://127.0.0.1:{port}")
        made = RedisStreamsBus(url, partitions=4, min_idle_s=MIN_IDLE_S)
    await made.start()
    yield made
    await made.close()


async def flush(url: str) -> None:
    link = Link(url)
    await link.call("FLUSHALL")
    await link.close()


@pytest.fixture
async def link(valkey_url: str) -> AsyncIterator[Link]:
    await flush(valkey_url)
    made = Link(valkey_url)
    yield made
    await made.close()


@pytest.fixture
async def redis_bus(link: Link, valkey_url: str) -> AsyncIterator[RedisStreamsBus]:
    made = RedisStreamsBus(valkey_url)
    await made.start()
    yield made
    await made.close()
