"""A request that kills the process of every worker that takes it: it is put aside, and nobody else pays for it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from adapters.bus.embedded_valkey import EmbeddedValkey
from adapters.bus.redis_streams import RedisStreamsBus
from statecharts.events import Envelope
from tests.adapters.bus.steps import ask, fact, session
from tests.server_process import ROOT

WITHIN_S = 60.0


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    server = EmbeddedValkey(tmp_path)
    yield server.start()
    server.stop()


def start(url: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "tests.faults.mortal_worker", url], cwd=ROOT)


async def test_it_ends_three_processes_and_no_other_request_is_lost(url: str) -> None:
    bus = RedisStreamsBus(url, partitions=1)  # all of them lie behind each other
    await bus.start()
    good = [fact(session(), number, "voice.intent.request") for number in range(6)]
    poison = msgspec.structs.replace(fact(session(), 9, "voice.intent.request"), payload={"text": "poison"})
    await ask(bus, *good[:3], poison, *good[3:], kind="intent")
    worker, deaths = start(url), 0
    try:
        deadline = time.monotonic() + WITHIN_S
        while not await answered(bus, [*good, poison]) or not await bus.dead_letters():
            assert time.monotonic() < deadline
            if worker.poll() is not None:
                deaths += 1
                worker = start(url)
            await asyncio.sleep(0.05)
    finally:
        worker.kill()
        worker.wait()
    [letter] = await bus.dead_letters()
    assert deaths == 3
    assert (letter.session_id, letter.payload["attempts"]) == (poison.session_id, 4)
    for request in good:
        assert await outcomes(bus, request) == {"voice.intent.detected"}
    assert await outcomes(bus, poison) == {"voice.intent.failed"}
    await bus.close()


async def outcomes(bus: RedisStreamsBus, request: Envelope) -> set[str]:
    facts = [entry.envelope for entry in await bus.replay(request.session_id)]
    return {fact.event_type for fact in facts if fact is not None} - {request.event_type}


async def answered(bus: RedisStreamsBus, requests: list[Envelope]) -> bool:
    return all([await outcomes(bus, request) for request in requests])
