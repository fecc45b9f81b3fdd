"""Servers that may be harmed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.bus.embedded_valkey import EmbeddedValkey
from adapters.bus.redis_link import Link
from adapters.bus.redis_streams import RedisStreamsBus


@pytest.fixture
async def log_url(tmp_path: Path) -> AsyncIterator[str]:
    """The address of a log server of the test's own."""
    server = EmbeddedValkey(tmp_path)
    yield await asyncio.to_thread(server.start)
    await asyncio.to_thread(server.stop)


@pytest.fixture
async def log_link(log_url: str) -> AsyncIterator[Link]:
    made = Link(log_url)
    yield made
    await made.close()


@pytest.fixture
async def log_bus(log_url: str) -> AsyncIterator[RedisStreamsBus]:
    made = RedisStreamsBus(log_url, partitions=4, min_idle_s=0.3)
    await made.start()
    yield made
    await made.close()
