"""Competing workers on Kafka: who serves a request is decided by who is first in the log of commits."""

from __future__ import annotations

import asyncio
import binascii
import time
import uuid
from collections.abc import AsyncIterator

import structlog

from adapters.bus.codec import dead_letter, encode_envelope
from adapters.bus.kafka_commits import CommitLog
from adapters.bus.kafka_link import DLQ, KafkaLink, Place
from adapters.bus.kafka_presence import Presence
from adapters.bus.kafka_records import GivenBack, Settled, Taken, Task, TaskId
from adapters.bus.port import BusUnavailable
from statecharts.events import Envelope

__all__ = ["MIN_IDLE_S", "KafkaDelivery", "KafkaSubscription"]

_log = structlog.get_logger()

MIN_IDLE_S = 15.0
"""A request whose worker is silent for so long is handed to another: longer than any honest request takes."""
TAKEN_AT_ONCE = 4
"""Requests taken together: what a worker holds and does not serve yet, no other can."""
YIELD_S = 0.05
"""How long a request is left to the worker whose turn it is, before any other tries to have it."""
RETRY_S = 0.1
LOOK_S = 1.0


class KafkaDelivery:
    """One request in one worker's hands."""

    def __init__(
        self, subscription: KafkaSubscription, partition: int, task: TaskId, envelope: Envelope, attempts: int
    ):
        self._subscription = subscription
        self._partition = partition
        self._task = task
        self._envelope = envelope
        self._attempts = attempts

    @property
    def envelope(self) -> Envelope:
        return self._envelope

    @property
    def attempts(self) -> int:
        return self._attempts

    async def ack(self) -> None:
        await self._subscription.settle(self._partition, self._task)

    async def nack(self, delay_s: float) -> None:
        await self._subscription.give_back(self._partition, self._task, self._attempts, delay_s)

    async def dead_letter(self, error: str) -> Envelope:
        letter = dead_letter(self._envelope, error, self._attempts, time.time())
        await self._subscription.settle(self._partition, self._task, letter)
        return letter


class KafkaSubscription:
    """One worker among those of its kind."""

    def __init__(
        self, link: KafkaLink, commits: CommitLog, presence: Presence, kind: str, worker: str, min_idle_s: float
    ) -> None:
        self._link = link
        self._commits = commits
        self._presence = presence
        self._kind = kind
        self._worker = worker
        self._min_idle_s = min_idle_s

    async def deliveries(self) -> AsyncIterator[KafkaDelivery]:
        """Yield requests until closed: new ones, those to be tried again, those of dead workers."""
        outage, part = self._link.outage, f"{self._kind} {self._worker}"
        try:
            while True:
                due, wait_s = self._due()
                if not due:
                    await self._commits.change(wait_s)
                    continue
                for outcome in await asyncio.gather(*(self._take(*place) for place in due[:TAKEN_AT_ONCE])):
                    if isinstance(outcome, BusUnavailable):
                        outage.began(part, outcome)
                        await asyncio.sleep(RETRY_S)
                        continue
                    outage.ended(part)
                    if outcome is not None:
                        yield outcome
        finally:
            outage.forget(part)

    async def settle(self, partition: int, task: TaskId, letter: Envelope | None = None) -> None:
        """A request is done with; or it is put aside first, twice perhaps, under the same event id."""
        if letter is not None:
            await self._link.append(Place(DLQ, partition), encode_envelope(letter), key=letter.session_id)
        await self._commits.append(partition, Settled(id=uuid.uuid4().hex, task=task))

    async def give_back(self, partition: int, task: TaskId, attempt: int, delay_s: float) -> None:
        """A request may be taken again after a while, by whomever."""
        record = GivenBack(id=uuid.uuid4().hex, task=task, attempt=attempt, delay_s=delay_s)
        await self._commits.append(partition, record)

    def _due(self) -> tuple[list[tuple[int, TaskId, Task]], float]:
        """Return what may be taken now, and how long it takes until the next may be."""
        now = asyncio.get_running_loop().time()
        peers = self._presence.members(self._kind)
        due, wait_s = [], LOOK_S
        for partition, state in enumerate(self._commits.states):
            for number, task in state.tasks.items():
                if task.kind == self._kind:
                    left_s = task.changed_at + self._delay_s(number, task, peers) - now
                    if left_s <= 0.0:
                        due.append((partition, number, task))
                    else:
                        wait_s = min(wait_s, left_s)
        return due, wait_s

    def _delay_s(self, number: TaskId, task: Task, peers: list[str]) -> float:
        if task.worker:
            return self._min_idle_s
        # All see a request at once. One goes first; or all would try, and all but one in vain.
        first = max(peers, key=lambda name: binascii.crc32(f"{name} {number}".encode()), default=self._worker)
        return task.delay_s if self._worker not in peers or first == self._worker else task.delay_s + YIELD_S

    async def _take(self, partition: int, number: TaskId, task: Task) -> KafkaDelivery | BusUnavailable | None:
        attempt = task.attempts + 1
        record = Taken(id=uuid.uuid4().hex, task=number, attempt=attempt, worker=self._worker)
        try:
            if await self._commits.append(partition, record) != "done":
                return None
        except BusUnavailable as error:
            return error
        return KafkaDelivery(self, partition, number, task.envelope, attempt)
