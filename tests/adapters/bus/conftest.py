"""The bus in memory and on a real server: the same suite runs on both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from adapters.bus.embedded_valkey import EmbeddedValkey
from adapters.bus.memory import MemoryBus
from adapters.bus.redis_link import Link
from adapters.bus.redis_streams import RedisStreamsBus

MIN_IDLE_S = 0.3


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = EmbeddedValkey(tmp_path_factory.mktemp("valkey"))
    yield server.start()
    server.stop()


@pytest.fixture(params=["memory", "redis"])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[MemoryBus | RedisStreamsBus]:
    made: MemoryBus | RedisStreamsBus
    if request.param == "memory":
        made = MemoryBus(4, min_idle_s=MIN_IDLE_S)
    else:
        url = request.getfixturevalue("valkey_url")
        link = Link(url)
        await link.call("FLUSHALL")
        await link.close()
        made = RedisStreamsBus(url, partitions=4, min_idle_s=MIN_IDLE_S)
    await made.start()
    yield made
    await made.close()


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
