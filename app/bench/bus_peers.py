"""How others carry the same facts on the same server: the loop that guides show, and FastStream."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import redis.asyncio
from msgspec import Struct

__all__ = ["FASTSTREAM_MISSING", "Peer", "bench_faststream", "bench_guide"]

FASTSTREAM_MISSING = 'not installed: pip install "faststream[redis]"'
STREAM, GROUP = "bench:peers", "bench"
PATIENCE_S = 60.0


class Peer(Struct, frozen=True, kw_only=True):
    """Facts published one by one, each awaited, then taken and acknowledged one by one; CPU in microseconds a fact."""

    name: str
    events: int
    published_per_s: int
    taken_per_s: int
    client_us: float
    """Publishing and taking together."""


def _body(number: int) -> dict[str, object]:
    return {
        "event_type": "voice.stt.partial", "session_id": str(uuid.uuid4()), "timestamp": time.time(), "source": "bench",
        "payload": {"text": "how old is the bridge", "confidence": 0.9, "number": number},
        "event_id": str(uuid.uuid4()), "metadata": {"trace_id": uuid.uuid4().hex},
    }  # fmt: skip


async def bench_guide(url: str, events: int) -> Peer:
    """Run the loop of the guide: redis-py, `json`, XREADGROUP with COUNT 10, and one XACK for each message."""
    client: Any = redis.asyncio.from_url(url, decode_responses=True)  # its types are those of all its protocols at once
    bodies = [_body(number) for number in range(events)]
    await client.delete(STREAM)
    await client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)

    async def publish() -> None:
        for body in bodies:
            await client.xadd(STREAM, {"data": json.dumps(body)})

    async def take() -> None:
        taken = 0
        while taken < events:
            messages = await client.xreadgroup(GROUP, "bench-1", {STREAM: ">"}, count=10, block=1000)
            for stream, entries in messages:
                for position, fields in entries:
                    json.loads(fields["data"])
                    await client.xack(stream, GROUP, position)
                    taken += 1

    try:
        return await _measured("the guide's loop", events, publish, take)
    finally:
        await client.delete(STREAM)
        await client.aclose()


async def bench_faststream(url: str, events: int) -> Peer | None:
    """Run FastStream's Redis Streams with a consumer group; None if it is not installed."""
    if importlib.util.find_spec("faststream") is None:
        return None
    faststream: Any = importlib.import_module("faststream.redis")
    broker = faststream.RedisBroker(url, logger=None, log_level=logging.CRITICAL)
    bodies = [_body(number) for number in range(events)]
    all_taken, taken = asyncio.Event(), 0

    async def handle(body: dict[str, object]) -> None:
        nonlocal taken
        taken += 1
        if taken == events:
            all_taken.set()

    broker.subscriber(stream=faststream.StreamSub(STREAM, group=GROUP, consumer="bench-1"))(handle)
    admin = redis.asyncio.from_url(url)
    await admin.delete(STREAM)
    await admin.xgroup_create(STREAM, GROUP, id="0", mkstream=True)

    async def publish() -> None:
        for body in bodies:
            await broker.publish(body, stream=STREAM)

    async def take() -> None:
        await broker.start()
        await all_taken.wait()

    try:
        await broker.connect()
        return await _measured("FastStream", events, publish, take)
    finally:
        await broker.stop()
        await admin.delete(STREAM)
        await admin.aclose()


async def _measured(
    name: str, events: int, publish: Callable[[], Awaitable[None]], take: Callable[[], Awaitable[None]]
) -> Peer:
    cpu, began = time.process_time(), time.perf_counter()
    async with asyncio.timeout(PATIENCE_S):
        await publish()
        published = time.perf_counter()
        await take()
    ended = time.perf_counter()
    return Peer(
        name=name, events=events, published_per_s=round(events / (published - began)),
        taken_per_s=round(events / (ended - published)),
        client_us=round((time.process_time() - cpu) / events * 1e6, 1),
    )  # fmt: skip
