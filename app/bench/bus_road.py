"""The way of facts through a bus, all of it in one process: a publisher, an owner and a gateway."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import msgspec

from adapters.bus.port import Batch, Command, Commit, EventBus, Ownership
from app.taking import SideBySide
from app.task_errors import first_of_ours
from statecharts.events import Envelope, VoicechartError

__all__ = ["BusNotOurs", "Road", "facts_of"]

PATIENCE_S = 10.0
"""Longest wait for partitions, or for the next command, in seconds."""
_STATE = b"x" * 220
"""As long as a session's state usually is."""


class BusNotOurs(VoicechartError):
    """Somebody else folds the facts of this bus."""


def facts_of(sessions: Sequence[str], count: int) -> list[Envelope]:
    """Return facts numbered from 0, the sessions taking turns; made beforehand, making them is not what is measured."""
    return [
        Envelope(
            event_type="voice.stt.partial",
            session_id=sessions[number % len(sessions)],
            payload={"text": "how old is the bridge", "confidence": 0.9, "number": number},
            event_id=str(uuid.uuid4()),
            timestamp=time.time(),
            source="bench",
            metadata={"trace_id": uuid.uuid4().hex},
        )
        for number in range(count)
    ]


class Road:
    """One run.

    Attributes:
        sent_at: When each fact set out (`perf_counter`), by its number; whoever publishes adds to it.
        committed_s: How long after that it was committed, and
        heard_s: its command was heard, in seconds.
    """

    def __init__(self, bus: EventBus, sessions: int) -> None:
        self._bus = bus
        self._gateway = f"bench-{uuid.uuid4()}"
        self._owned: set[int] = set()
        self._moved = asyncio.Event()
        self.sessions = [str(uuid.uuid4()) for _ in range(sessions)]
        self.sent_at: list[float] = []
        self.committed_s: list[float] = []
        self.heard_s: list[float] = []

    @asynccontextmanager
    async def running(self, *, tidy: bool) -> AsyncIterator[None]:
        """Own and listen meanwhile; erase the sessions afterwards, if that is wanted."""
        ownership = self._bus.own(self._gateway)
        try:
            with first_of_ours():
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(self._fold(ownership)), group.create_task(self._listen())]
                    await self._until_owned()
                    yield
                    for task in tasks:
                        task.cancel()
        finally:
            await ownership.close()
            for session_id in self.sessions if tidy else ():
                await self._bus.erase(session_id)

    async def until_on_the_road(self, left: int) -> None:
        """Wait until at most so many facts were published and not heard."""
        while (away := len(self.sent_at) - len(self.heard_s)) > left:
            await self._on(
                f"{away} of {len(self.sent_at)} commands did not come back, and no more came within {PATIENCE_S} s: "
                "another orchestrator may have taken the rest. Stop it, or name another bus."
            )

    async def _until_owned(self) -> None:
        while len(self._owned) < self._bus.partitions:
            await self._on(
                f"{len(self._owned)} of {self._bus.partitions} partitions came to the benchmark, and no more within "
                f"{PATIENCE_S} s: another orchestrator owns the rest. Stop it, or name another bus."
            )

    async def _on(self, otherwise: str) -> None:
        """Wait until anything moved."""
        self._moved.clear()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._moved.wait()
        except TimeoutError:
            raise BusNotOurs(otherwise) from None

    async def _fold(self, ownership: Ownership) -> None:
        async with asyncio.TaskGroup() as group:
            await SideBySide(partial(self._take, ownership)).take_all(group, ownership.batches())

    async def _take(self, ownership: Ownership, batch: Batch) -> bool:
        if not batch.entries:
            self._owned.add(batch.lease.partition)
            self._moved.set()
            return True
        facts = [(entry.position, entry.envelope) for entry in batch.entries if entry.envelope is not None]
        await ownership.commit(batch.lease, self._outcome(batch, facts))
        now = time.perf_counter()
        self.committed_s += [now - self.sent_at[_number(fact.payload)] for _, fact in facts]
        return True

    def _outcome(self, batch: Batch, facts: Sequence[tuple[str, Envelope]]) -> Commit:
        return Commit(
            upto=batch.entries[-1].position,
            snapshots={fact.session_id: _STATE for _, fact in facts},
            commands=[
                (self._gateway, Command(session_id=fact.session_id, effects=[{"number": fact.payload["number"]}]))
                for _, fact in facts
            ],
            journal=[msgspec.json.encode({"session_id": fact.session_id, "position": at}) for at, fact in facts],
        )

    async def _listen(self) -> None:
        async for command in self._bus.listen(self._gateway):
            self.heard_s.append(time.perf_counter() - self.sent_at[_number(command.effects[0])])
            self._moved.set()


def _number(told: dict[str, object]) -> int:
    number = told["number"]
    assert isinstance(number, int)
    return number
