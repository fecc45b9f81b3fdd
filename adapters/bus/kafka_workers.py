"""Competing workers on Kafka: who serves a request is decided by who is first in the log of commits."""

from __future__ import annotations

import asyncio
import binascii
import uuid
from collections import deque
from copy import copy
from typing import Self

import structlog

from adapters.bus.held_request import HeldRequest
from adapters.bus.kafka_commits import CommitLog
from adapters.bus.kafka_presence import Presence
from adapters.bus.kafka_records import GivenBack, Settled, Taken, TaskId
from adapters.bus.kafka_state import Task
from adapters.bus.port import BusUnavailable
from statecharts.events import Envelope

__all__ = ["KafkaSubscription"]

_log = structlog.get_logger()

TAKEN_AT_ONCE = 4
"""Requests taken together: what a worker holds and does not serve yet, no other can."""
YIELD_S = 0.05
"""How long a request is left to the worker whose turn it is, before any other tries to have it."""
RETRY_S = 0.1
LOOK_S = 1.0

_Place = tuple[int, TaskId]
"""A request: its partition, and where in it."""


class KafkaSubscription:
    """One worker's place among those of its kind. While it lives it says so, and what is in its hands stays there.

    Args:
        commits: Where requests are found, taken and settled.
        presence: Where it says that it lives, and sees who does not.
        kind: Of requests.
        worker: Who serves them.
        min_idle_s: After how long without a sign of life others take what is in its hands.
    """

    def __init__(self, commits: CommitLog, presence: Presence, kind: str, worker: str, min_idle_s: float) -> None:
        self._commits = commits
        self._presence = presence
        self._kind = kind
        self._worker = worker
        self._min_idle_s = min_idle_s
        self._role = f"hands:{kind}"
        self._name = f"{worker}/{uuid.uuid4().hex}"
        self._found: deque[HeldRequest[_Place]] = deque()
        self._held: dict[_Place, int] = {}
        self._alone: _Place | None = None
        self._closed = False
        self._heart: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> HeldRequest[_Place]:
        while not self._found:
            if self._closed:
                raise StopAsyncIteration
            if self._looking is None:
                self._looking = asyncio.create_task(self._look(), name=f"{self._worker}-looking")
            # Whoever waits may be cancelled; what is being taken meanwhile is there when they ask again.
            looking = self._looking
            await asyncio.wait([looking])
            if not looking.cancelled():
                looking.result()
            self._looking = None
        return self._found.popleft()

    def freeze(self) -> None:
        """Give no sign of life any more, as a process that was stopped would; for tests."""
        if self._heart is not None:
            self._heart.cancel()

    def stop(self) -> None:
        """Take no more; what is in our hands is for the others after the usual time."""
        self._closed = True
        self.freeze()
        if self._looking is not None:
            self._looking.cancel()

    async def aclose(self) -> None:
        """Take no more; what is in our hands is for the others at once."""
        if self._closed:
            return
        self.stop()
        await asyncio.gather(*(self.give_back(place, attempts, 0.0) for place, attempts in self._held.items()))
        try:
            await self._presence.announce(self._role, self._name, 0.0)
        except BusUnavailable as error:
            # What could not be given back others take after the usual time.
            _log.debug("leave_not_announced", kind=self._kind, worker=self._worker, error=str(error))

    # --- for its deliveries

    async def settle(self, place: _Place) -> None:
        await self._done_with(place)

    async def put_aside(self, place: _Place, letter: Envelope) -> None:
        await self._done_with(place, letter)

    async def _done_with(self, place: _Place, letter: Envelope | None = None) -> None:
        await self._commits.append(place[0], Settled(id=uuid.uuid4().hex, task=place[1], letter=letter))
        self._let_go(place)

    async def give_back(self, place: _Place, attempts: int, delay_s: float) -> None:
        record = GivenBack(id=uuid.uuid4().hex, task=place[1], attempt=attempts, delay_s=delay_s)
        try:
            await self._commits.append(place[0], record)
        except BusUnavailable as error:
            # Where it stays ours we take it again ourselves, after the usual time.
            _log.debug("request_not_given_back", kind=self._kind, worker=self._worker, error=str(error))
        self._let_go(place)

    def _let_go(self, place: _Place) -> None:
        self._held.pop(place, None)
        if self._alone == place:
            self._alone = None

    # --- finding requests

    async def _look(self) -> None:
        """Return when something was found."""
        outage, part = self._commits.outage, f"{self._kind} {self._worker}"
        try:
            while not self._found:
                try:
                    if self._heart is None:
                        # Said before anything is taken: a request whose worker is not known to live is an orphan.
                        await self._presence.announce(self._role, self._name, self._min_idle_s)
                        self._heart = asyncio.create_task(self._beat(), name=f"{self._worker}-heart")
                    due, wait_s = self._due()
                    if not due:
                        await self._commits.change(wait_s)
                    for outcome in await asyncio.gather(*(self._take(*one) for one in due[:TAKEN_AT_ONCE])):
                        if isinstance(outcome, BusUnavailable):
                            raise outcome
                    outage.ended(part)
                except BusUnavailable as error:
                    outage.began(part, error)
                    await asyncio.sleep(RETRY_S)
        finally:
            outage.forget(part)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._min_idle_s / 4)
            try:
                await self._presence.announce(self._role, self._name, self._min_idle_s)
            except BusUnavailable as error:
                _log.debug("no_sign_of_life", kind=self._kind, worker=self._worker, error=str(error))

    def _due(self) -> tuple[list[tuple[_Place, Task]], float]:
        """Return what may be taken now, and how long it takes until more may be."""
        now = asyncio.get_running_loop().time()
        peers = self._presence.members(self._role)
        due: list[tuple[_Place, Task]] = []
        wait_s, alone = LOOK_S, self._alone is not None
        for partition, state in enumerate(self._commits.states):
            for number, task in state.tasks.items():
                place = (partition, number)
                if task.kind != self._kind or place in self._held or task.changed_at + task.keep_s <= now:
                    continue
                left_s = self._free_at(number, task, peers) - now
                if left_s > 0.0:
                    wait_s = min(wait_s, left_s)
                elif not (perilous := _is_perilous(task)) or not alone:
                    alone = alone or perilous
                    # As it is now: an attempt counted from what others have made of it since would be one too many.
                    due.append((place, copy(task)))
        return due, wait_s

    def _free_at(self, number: TaskId, task: Task, peers: list[str]) -> float:
        if task.worker == self._name:
            # In the log it is in our hands, and it is not: we were not told that we took it, or could not give it back.
            return task.changed_at + self._min_idle_s
        if task.worker:
            return max(task.changed_at + self._min_idle_s, self._presence.until(self._role, task.worker))
        # All see a request at once. One goes first; or all would try, and all but one in vain.
        first = max(peers, key=lambda name: binascii.crc32(f"{name} {number}".encode()), default=self._name)
        return task.changed_at + task.delay_s + (0.0 if first == self._name else YIELD_S)

    async def _take(self, place: _Place, task: Task) -> BusUnavailable | None:
        """Try to be the one who serves a request; return what kept us from knowing."""
        attempt = task.attempts + 1
        if _is_perilous(task):
            self._alone = place
        record = Taken(id=uuid.uuid4().hex, task=place[1], attempt=attempt, worker=self._name)
        try:
            taken = await self._commits.append(place[0], record) == "done"
        except BusUnavailable as error:
            self._let_go(place)
            return error
        if taken:
            self._held[place] = attempt
            self._found.append(HeldRequest(self, place, task.envelope, attempt))
        else:
            self._let_go(place)
        return None


def _is_perilous(task: Task) -> bool:
    """What ended two workers may end a third: it is taken alone, so that nothing else at hand ends with it."""
    return task.worker != "" and task.attempts >= 2
