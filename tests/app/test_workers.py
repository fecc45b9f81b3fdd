"""What becomes of a request: answered, tried again, put aside; and how a worker leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from structlog.testing import capture_logs

from adapters.bus.memory import MemoryBus
from app.observability import EventFigures
from app.orchestrator import Orchestrator
from app.workers import KINDS, Worker
from statecharts.events import Connected, Envelope, Event, IntentDetected, to_envelope
from statecharts.phrases import Phrases
from statecharts.policy import Policy
from tests.adapters.bus.steps import ask, end, fact, hand, session

WITHIN_S = 10.0


class Work:
    """Answers when it is told to; notes what it began."""

    def __init__(self, failures: int = 0) -> None:
        self.begun: list[object] = []
        self.may_end = asyncio.Event()
        self._failures = failures

    async def __call__(self, request: Envelope) -> AsyncIterator[Event]:
        self.begun.append(request.payload["number"])
        if len(self.begun) <= self._failures:
            raise ZeroDivisionError(request.event_id)
        await self.may_end.wait()
        yield IntentDetected(intent="question", confidence=1.0)


async def types_of(bus: MemoryBus, session_id: str) -> list[str]:
    facts = [entry.envelope for entry in await bus.replay(session_id)]
    return [envelope.event_type for envelope in facts if envelope is not None]


async def until_told(bus: MemoryBus, session_id: str, event_type: str) -> None:
    async with asyncio.timeout(WITHIN_S):
        while event_type not in await types_of(bus, session_id):
            await asyncio.sleep(0.01)


async def test_what_failed_is_tried_again_after_a_while() -> None:
    bus, work, session_id = MemoryBus(2), Work(failures=2), session()
    work.may_end.set()
    await ask(bus, fact(session_id, 1, "voice.intent.request"), kind="intent")
    running = asyncio.create_task(Worker(bus, "intent", "w1", work).run())
    await until_told(bus, session_id, "voice.intent.detected")
    assert work.begun == [1, 1, 1]
    assert await bus.dead_letters() == []
    await end(running)


async def test_what_ended_three_workers_is_put_aside_and_not_begun_a_fourth_time() -> None:
    bus, work, session_id = MemoryBus(2, min_idle_s=0.01), Work(), session()
    await ask(bus, fact(session_id, 1, "voice.intent.request"), kind="intent")
    for number in range(3):
        dying = bus.subscribe("intent", f"dying {number}")
        await hand(dying)
        dying.freeze()
    running = asyncio.create_task(Worker(bus, "intent", "w1", work).run())
    await until_told(bus, session_id, "voice.intent.failed")
    assert work.begun == []
    async with asyncio.timeout(WITHIN_S):
        while not (letters := await bus.dead_letters()):
            await asyncio.sleep(0.01)
    assert letters[0].payload["attempts"] == 4
    assert "died" in str(letters[0].payload["error"])
    await end(running)


async def test_a_worker_that_leaves_ends_what_it_has_begun_and_begins_nothing() -> None:
    bus, work, first, second = MemoryBus(2), Work(), session(), session()
    worker = Worker(bus, "intent", "w1", work)
    running = asyncio.create_task(worker.run())
    await ask(bus, fact(first, 1, "voice.intent.request"), kind="intent")
    async with asyncio.timeout(WITHIN_S):
        while not work.begun:
            await asyncio.sleep(0.01)
    leaving = asyncio.create_task(worker.leave())
    await asyncio.sleep(0)
    await ask(bus, fact(second, 2, "voice.intent.request"), kind="intent")
    work.may_end.set()
    async with asyncio.timeout(WITHIN_S):
        await asyncio.gather(leaving, running)
    assert await types_of(bus, first) == ["voice.intent.request", "voice.intent.detected"]
    assert work.begun == [1]
    assert (await hand(bus.subscribe("intent", "w2"))).envelope.session_id == second
    assert await bus.members("intent") == []


async def test_what_a_cancelled_worker_had_begun_is_for_the_others_at_once() -> None:
    bus, work = MemoryBus(2, min_idle_s=3600.0), Work()
    running = asyncio.create_task(Worker(bus, "intent", "w1", work).run())
    await ask(bus, fact(session(), 1, "voice.intent.request"), kind="intent")
    async with asyncio.timeout(WITHIN_S):
        while not work.begun:
            await asyncio.sleep(0.01)
    await end(running)
    assert (await hand(bus.subscribe("intent", "w2"))).attempts == 2


async def test_what_failed_together_is_not_tried_again_together() -> None:
    bus, work = MemoryBus(2), Work(failures=8)
    requests = [fact(session(), number, "voice.intent.request") for number in range(8)]
    await ask(bus, *requests, kind="intent")
    running = asyncio.create_task(Worker(bus, "intent", "w1", work).run())
    async with asyncio.timeout(WITHIN_S):
        while len(work.begun) < 8:
            await asyncio.sleep(0)
    await asyncio.sleep(0)
    waits = {task.free_at for task in bus.tasks["intent"].values()}
    assert len(waits) == 8
    assert max(waits) - min(waits) > 0.02
    await end(running)


def test_every_kind_of_worker_can_say_that_it_failed() -> None:
    assert {"intent", "rag"} <= set(KINDS)


async def test_an_orchestrator_that_leaves_gives_its_partitions_back_at_once_and_loses_no_fact() -> None:
    bus = MemoryBus(4, lease_s=3600.0)  # none runs out here
    session_id = session()
    await bus.announce("gateway", "test", 60.0)
    staying, leaving = (
        Orchestrator(bus, name, Policy(), Phrases(), EventFigures(), mirrored=False) for name in ("b", "a")
    )
    running = asyncio.create_task(leaving.run())
    async with asyncio.timeout(WITHIN_S):
        while leaving.partitions_owned < 4:
            await asyncio.sleep(0.01)
    with capture_logs() as logs:
        await bus.publish(to_envelope(Connected(event_id="connect"), session_id, source="test"))
        await leaving.leave()
        async with asyncio.timeout(WITHIN_S):
            await running
        assert leaving.partitions_owned == 0
        taking = asyncio.create_task(staying.run())
        async with asyncio.timeout(WITHIN_S):
            while await bus.snapshot(session_id) is None or staying.partitions_owned < 4:
                await asyncio.sleep(0.01)
    assert [line for line in logs if line["log_level"] != "info"] == []
    assert len(await bus.journal(session_id)) == 1
    await end(taking)
