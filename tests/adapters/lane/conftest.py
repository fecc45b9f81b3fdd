"""The media lane in memory and on a real server, each beside its bus: the same suites run on both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from adapters.bus.memory import MemoryBus
from adapters.bus.port import EventBus
from adapters.bus.redis_link import Link
from adapters.bus.redis_streams import RedisStreamsBus
from adapters.lane.memory import MemoryLane
from adapters.lane.port import MediaLane
from tests.adapters.bus.conftest import valkey_url

__all__ = ["Beside", "beside", "lane", "valkey_url"]


class Beside(NamedTuple):
    """A bus, and the lane beside it."""

    bus: EventBus
    lane: MediaLane


@pytest.fixture(params=["memory", "redis"])
async def beside(request: pytest.FixtureRequest) -> AsyncIterator[Beside]:
    if request.param == "memory":
        memory = MemoryBus(4)
        await memory.start()
        yield Beside(memory, MemoryLane())
        await memory.close()
        return
    url = request.getfixturevalue("valkey_url")
    link = Link(url)
    await link.call("FLUSHALL")
    await link.close()
    bus = RedisStreamsBus(url, partitions=4)
    await bus.start()
    yield Beside(bus, bus.lane())
    await bus.close()


@pytest.fixture
def lane(beside: Beside) -> MediaLane:
    return beside.lane
