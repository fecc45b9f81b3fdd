"""What the event bus carries: facts published, committed, and heard again as commands."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol

from msgspec import Struct

from adapters.bus.port import EventBus
from app.bench.bus_road import Road, facts_of
from app.bench.figures import spread
from statecharts.events import Envelope

__all__ = ["GOALS", "RATES_HZ", "FlatOut", "Offered", "Servers", "bench_flat_out", "bench_offered"]

GOALS = {"events_per_s": 20_000, "client_us": 25.0, "p99_ms": 5.0}
"""At least so many a second; at most so much CPU in this process for each; at most so late with the offered rates."""
RATES_HZ = (1_000.0, 10_000.0, 20_000.0)
"""Facts a second that are offered."""
IN_FLIGHT = 2000
"""Facts on the road at most while publishing flat out: more would only wait in the log."""
PUBLISHED_AT_ONCE = 100
"""Facts in one call while publishing flat out."""
TICK_S = 0.001
"""What has become due since the last tick is published in one call."""


class Servers(Protocol):
    """The servers behind the bus, as far as a measurement wants to know of them."""

    async def cpu_s(self) -> float: ...
    async def write_to_disk(self, on: bool) -> None: ...
    async def writes_to_disk(self) -> bool: ...
    async def empty(self) -> None: ...


class FlatOut(Struct, frozen=True, kw_only=True):
    """As fast as it goes; CPU in microseconds for each fact."""

    events: int
    events_per_s: int
    client_us: float
    server_us: float


class Offered(Struct, frozen=True, kw_only=True):
    """At a steady rate; times in milliseconds from the moment a fact was due."""

    rate_hz: float
    on_disk: bool
    events: int
    reached_hz: int
    """How many a second there were in the end; less than were offered if it could not keep up."""
    committed_p50_ms: float
    committed_p95_ms: float
    committed_p99_ms: float
    heard_p50_ms: float
    heard_p95_ms: float
    heard_p99_ms: float
    client_us: float
    server_us: float


async def bench_flat_out(
    bus: EventBus, servers: Servers, *, events: int = 20_000, sessions: int = 100, tidy: bool = True
) -> FlatOut:
    """Publish as fast as facts are heard again: throughput, and cost.

    Publisher, owner and gateway share this process, as in `voicechart serve`: its cost is that of all three.

    Args:
        bus: A bus that nobody else uses now.
        servers: What is behind it.
        events: How many facts.
        sessions: How many sessions they are spread over.
        tidy: Erase the sessions afterwards, which takes its time.

    Raises:
        BusNotOurs: The bus's partitions or the commands did not come to us.
        BusUnavailable: The bus went away.
    """
    road = Road(bus, sessions)
    facts = facts_of(road.sessions, events)

    async def publish() -> None:
        for first in range(0, events, PUBLISHED_AT_ONCE):
            await road.until_on_the_road(IN_FLIGHT - PUBLISHED_AT_ONCE)
            some = facts[first : first + PUBLISHED_AT_ONCE]
            road.sent_at += [time.perf_counter()] * len(some)
            await bus.publish(*some)

    async with road.running(tidy=tidy):
        wall_s, client_s, server_s = await _timed(road, servers, publish)
    return FlatOut(
        events=events, events_per_s=round(events / wall_s),
        client_us=round(client_s / events * 1e6, 1), server_us=round(server_s / events * 1e6, 1),
    )  # fmt: skip


async def bench_offered(
    bus: EventBus, servers: Servers, rate_hz: float, *, seconds: float = 3.0, sessions: int = 100, tidy: bool = True
) -> Offered:  # fmt: skip
    """Offer facts at a steady rate, whether they are taken or not: how late they are, and cost.

    Args:
        bus: As above.
        servers: As above.
        rate_hz: Facts a second.
        seconds: For how long.
        sessions: How many sessions they are spread over.
        tidy: As above.

    Raises:
        BusNotOurs: As above.
        BusUnavailable: As above.
    """
    road = Road(bus, sessions)
    facts = facts_of(road.sessions, max(1, round(rate_hz * seconds)))

    async def publish() -> None:
        async for due_at, some in _as_they_are_due(facts, rate_hz):
            road.sent_at += due_at
            await bus.publish(*some)

    async with road.running(tidy=tidy):
        wall_s, client_s, server_s = await _timed(road, servers, publish)
    committed, heard = spread(road.committed_s), spread(road.heard_s)
    return Offered(
        rate_hz=rate_hz, on_disk=await servers.writes_to_disk(), events=len(facts),
        reached_hz=round(len(facts) / wall_s),
        committed_p50_ms=committed[0], committed_p95_ms=committed[1], committed_p99_ms=committed[2],
        heard_p50_ms=heard[0], heard_p95_ms=heard[1], heard_p99_ms=heard[2],
        client_us=round(client_s / len(facts) * 1e6, 1), server_us=round(server_s / len(facts) * 1e6, 1),
    )  # fmt: skip


async def _timed(road: Road, servers: Servers, publish: Callable[[], Awaitable[None]]) -> tuple[float, float, float]:
    """Publish until all was heard; return wall time, CPU time of this process and of the servers, in seconds."""
    server, client, wall = await servers.cpu_s(), time.process_time(), time.perf_counter()
    await publish()
    await road.until_on_the_road(0)
    wall_s, client_s = time.perf_counter() - wall, time.process_time() - client
    return wall_s, client_s, await servers.cpu_s() - server


async def _as_they_are_due(
    facts: Sequence[Envelope], rate_hz: float
) -> AsyncIterator[tuple[list[float], Sequence[Envelope]]]:
    """Yield the facts that have become due since the last time, and when each was; whoever comes late gets more."""
    tick_s = max(TICK_S, 1 / rate_hz)
    began, sent = time.perf_counter(), 0
    while sent < len(facts):
        await asyncio.sleep(began + int(sent / rate_hz / tick_s) * tick_s - time.perf_counter())
        ticks = int((time.perf_counter() - began) / tick_s) + 1
        due = min(len(facts), max(sent + 1, round(ticks * tick_s * rate_hz)))
        yield [began + int(number / rate_hz / tick_s) * tick_s for number in range(sent, due)], facts[sent:due]
        sent = due
