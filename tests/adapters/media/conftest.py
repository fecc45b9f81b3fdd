"""Clients that are closed when their test ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.adapters.media.clients import Client, WebRtcClient, WebSocketClient


@asynccontextmanager
async def connected() -> AsyncIterator[WebRtcClient]:
    client = WebRtcClient()
    try:
        await client.call()
        yield client
    finally:
        await client.close()


@pytest.fixture
async def webrtc() -> AsyncIterator[WebRtcClient]:
    """A connected WebRTC client."""
    async with connected() as client:
        yield client


@pytest.fixture(params=["websocket", "webrtc"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """A connected client of each kind."""
    if request.param == "webrtc":
        async with connected() as calling:
            yield calling
    else:
        plain = WebSocketClient()
        yield plain
        await plain.close()
