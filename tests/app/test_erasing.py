"""A call that is to be erased is, whatever happens meanwhile, and nothing that comes in late brings it back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from adapters.bus.memory import MemoryBus
from adapters.bus.port import BusUnavailable
from app.observability import EventFigures
from app.orchestrator import Orchestrator
from statecharts.events import Connected, RagAnswerReady, SessionEnded, SessionStarted, SttFinal
from statecharts.phrases import Phrases
from statecharts.policy import Policy
from tests.app.harness import Harness, harness


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5.0):
        while not holds():
            await asyncio.sleep(0.005)


def kept(made: Harness) -> int:
    """Return how much of a call is kept: entries, records, state."""
    return sum(len(part.log) + len(part.journal) + len(part.snapshots) for part in made.bus.parts)


async def test_what_comes_in_late_does_not_bring_an_erased_call_back() -> None:
    async with harness() as made:
        started = SessionStarted(event_id="started")
        await made.emit(started)
        await made.emit(SttFinal(text="hello", origin="typed"))
        await made.state("THINKING")
        await made.emit(SessionEnded(reason="deleted"))
        await until(lambda: kept(made) == 0)
        await made.emit(RagAnswerReady(text="It opened in 1883.", is_final=True, request_id="1.answer", turn=1))
        await made.emit(SttFinal(text="one more thing"))
        await made.emit(started)  # a second copy of it
        await until(lambda: kept(made) == 0)
        await made.emit(SessionStarted())
        await made.emit(Connected())
        await made.state("LISTENING")  # the same id, begun anew


async def test_erasing_is_tried_until_the_bus_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    erase, tries = MemoryBus.erase, 0

    async def erase_later(self: MemoryBus, session_id: str) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise BusUnavailable("as simulated")
        await erase(self, session_id)

    monkeypatch.setattr(MemoryBus, "erase", erase_later)
    async with harness() as made:
        await made.emit(SessionEnded(reason="deleted"))
        await until(lambda: kept(made) == 0)
        assert tries == 3


async def test_the_next_owner_erases_what_the_last_one_did_not_come_to(monkeypatch: pytest.MonkeyPatch) -> None:
    erase = MemoryBus.erase

    async def never(self: MemoryBus, session_id: str) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(MemoryBus, "erase", never)
    async with harness() as made:
        await made.emit(SessionEnded(reason="deleted"))
        await made.until(lambda record: record.erasing)
    monkeypatch.setattr(MemoryBus, "erase", erase)
    heir = Orchestrator(
        made.bus, "heir", Policy(), Phrases(), EventFigures(), mirrored=True, clock=time.time
    )  # fmt: skip
    running = asyncio.create_task(heir.run())
    await until(lambda: kept(made) == 0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
