"""Competing workers on Redis: a consumer group a kind, over the task streams of all partitions."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import defaultdict, deque
from typing import Self, cast

import redis.exceptions
import structlog

from adapters.bus.codec import decode_entry, encode_envelope
from adapters.bus.held_request import HeldRequest
from adapters.bus.port import BusUnavailable
from adapters.bus.redis_link import BLOCK_MS, Entry, Keys, Link, entries_of
from adapters.bus.redis_scripts import HOLD, PUT_ASIDE, RETAKE
from statecharts.events import Envelope

__all__ = ["RedisSubscription"]

_log = structlog.get_logger()

DEAD_LETTERS_KEPT = 1000
"""About how many a partition keeps; beyond that the oldest go."""
RETRY_S = 0.1
FRESH_PER_STREAM = 1
"""Requests taken at once from each stream: what a worker holds and does not serve yet, no other can."""
RECLAIMED_PER_STREAM = 10

Place = tuple[int, str]
"""Partition of a request, and its position there."""


class RedisSubscription:
    """One worker's place in the group of its kind.

    What is in its hands it claims again and again, from itself, so that its idle time stays below the limit; when the
    process dies the time runs on, and the others see that. `XAUTOCLAIM` would count a delivery before anybody knows how
    many there were; so what is idle is looked at first and claimed then.
    """

    def __init__(self, url: str, link: Link, keys: Keys, kind: str, worker: str, min_idle_s: float) -> None:
        self._link = link
        self._reader = Link(url, blocking=True)
        self._keys = keys
        self._kind = kind
        self._worker = worker
        self._min_idle_s = min_idle_s
        self._found: deque[HeldRequest[Place]] = deque()
        self._held: set[Place] = set()
        self._alone: Place | None = None
        self._retries: list[tuple[float, Place, int]] = []
        self._epochs: dict[int, int] = {}
        self._reclaimed_at = 0.0
        self._ready = self._closed = False
        self._heart: asyncio.Task[None] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> HeldRequest[Place]:
        """Return the next request: one to be tried again, one of a dead worker, a new one."""
        outage, part = self._link.outage, f"{self._kind} {self._worker}"
        if self._heart is None:
            self._heart = asyncio.create_task(self._beat(), name=f"{self._worker}-heart")
        while not self._found:
            if self._closed:
                raise StopAsyncIteration
            try:
                await self._next()
                outage.ended(part)
            except BusUnavailable as error:
                outage.began(part, error)
                await asyncio.sleep(RETRY_S)
            except redis.exceptions.ResponseError as error:
                # The groups are gone when the server lost its data, or a stream has expired: they are made again, from
                # the beginning.
                if not str(error).startswith(("NOGROUP", "UNBLOCKED")):
                    raise
                self._ready = False
        return self._found.popleft()

    def freeze(self) -> None:
        """Give no sign of life any more, as a process that was stopped would; for tests."""
        if self._heart is not None:
            self._heart.cancel()

    async def aclose(self) -> None:
        """Take no more; what is in our hands is idle enough for the others from now on."""
        if self._closed:
            return
        self._closed = True
        self.freeze()
        self._link.outage.forget(f"{self._kind} {self._worker}")
        await self._reader.close()
        try:
            await self._hold(round(self._min_idle_s * 1000))
        except (BusUnavailable, redis.exceptions.ResponseError) as error:
            # Others take it after the usual time.
            _log.debug("requests_not_given_back", kind=self._kind, worker=self._worker, error=str(error))

    # --- for its deliveries

    async def give_back(self, place: Place, attempts: int, delay_s: float) -> None:
        """We try it again ourselves; if this worker dies before, another one claims it."""
        self._let_go_alone(place)
        heapq.heappush(self._retries, (time.monotonic() + delay_s, place, attempts))

    async def settle(self, place: Place) -> None:
        stream = self._keys.tasks(self._kind, place[0])
        await self._link.call_all([("XACK", stream, self._kind, place[1]), ("XDEL", stream, place[1])])
        self._forget(place)

    async def put_aside(self, place: Place, letter: Envelope) -> None:
        keys = [self._keys.tasks(self._kind, place[0]), self._keys.dlq(place[0])]
        await self._link.script(PUT_ASIDE, keys, self._kind, place[1], encode_envelope(letter), DEAD_LETTERS_KEPT)
        self._forget(place)

    def _forget(self, place: Place) -> None:
        self._held.discard(place)
        self._let_go_alone(place)

    def _let_go_alone(self, place: Place) -> None:
        if self._alone == place:
            self._alone = None

    # --- signs of life

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._min_idle_s / 3)
            try:
                await self._hold(0)
            except (BusUnavailable, redis.exceptions.ResponseError) as error:
                _log.debug("no_sign_of_life", kind=self._kind, worker=self._worker, error=str(error))

    async def _hold(self, idle_ms: int) -> None:
        """Set how long what is in our hands has been idle."""
        places: dict[int, list[str]] = defaultdict(list)
        for partition, position in self._held:
            places[partition].append(position)
        words = (self._kind, self._worker, idle_ms)
        await self._link.call_all(
            [
                ("EVAL", HOLD, 1, self._keys.tasks(self._kind, partition), *words, *positions)
                for partition, positions in places.items()
            ]
        )

    # --- finding requests

    async def _next(self) -> None:
        if not self._ready:
            await self._make_groups()
        await self._take_due()
        if time.monotonic() - self._reclaimed_at >= self._min_idle_s / 4:
            self._reclaimed_at = time.monotonic()
            await self._take_orphans()
        if not self._found:
            await self._take_new()

    async def _make_groups(self) -> None:
        made = await self._link.call_all(
            [("XGROUP", "CREATE", stream, self._kind, "0", "MKSTREAM") for stream in self._streams()], raising=False
        )
        for answer in made:
            if isinstance(answer, Exception) and "BUSYGROUP" not in str(answer):
                raise answer
        self._ready = True

    def _streams(self) -> list[str]:
        return [self._keys.tasks(self._kind, partition) for partition in range(self._keys.partitions)]

    async def _take_new(self) -> None:
        block_ms = BLOCK_MS
        if self._retries:
            block_ms = max(1, min(block_ms, round((self._retries[0][0] - time.monotonic()) * 1000)))
        found = await self._reader.read_group(self._kind, self._worker, self._streams(), FRESH_PER_STREAM, block_ms)
        for stream, entries in found:
            for entry in entries:
                await self._take(self._keys.of(stream), entry, 1)

    async def _take_due(self) -> None:
        while self._retries and self._retries[0][0] <= time.monotonic():
            _, place, attempts = self._retries[0]
            stream = self._keys.tasks(self._kind, place[0])
            again = entries_of(await self._link.script(RETAKE, [stream], self._kind, self._worker, place[1]))
            heapq.heappop(self._retries)  # now, for the server may have been away
            self._forget(place)  # another may have taken it while we were frozen
            for entry in again:
                await self._take(place[0], entry, attempts + 1)

    async def _take_orphans(self) -> None:
        """Take what is in the hands of the dead.

        What ended two workers may be what ends a third: it is taken alone, so that no other request that was at hand
        both times is lost to the same end.
        """
        idle_ms = round(self._min_idle_s * 1000)
        answers = await self._link.call_all(
            [("XPENDING", stream, self._kind, "IDLE", idle_ms, "-", "+", RECLAIMED_PER_STREAM)
             for stream in self._streams()]
        )  # fmt: skip
        wanted: list[tuple[Place, int]] = []
        for partition, answer in enumerate(answers):
            # Each row: position, consumer, idle time in ms, number of deliveries.
            for position, _, _, count in cast("list[tuple[bytes, bytes, int, int]]", answer):
                place = (partition, position.decode())
                if place in self._held:
                    continue  # our own heart was late
                if count >= 2:
                    if self._alone is not None:
                        continue
                    self._alone = place
                wanted.append((place, count + 1))
        await self._claim(wanted, idle_ms)
        if self._alone not in self._held:
            self._alone = None  # another one was quicker

    async def _claim(self, wanted: list[tuple[Place, int]], idle_ms: int) -> None:
        """Take requests that have been idle so long; each comes with which attempt at it this is."""
        answers = await self._link.call_all(
            [
                ("XCLAIM", self._keys.tasks(self._kind, partition), self._kind, self._worker, idle_ms, position)
                for (partition, position), _ in wanted
            ]
        )
        for ((partition, _), attempts), answer in zip(wanted, answers, strict=True):
            for entry in entries_of(answer):
                await self._take(partition, entry, attempts)

    async def _take(self, partition: int, entry: Entry, attempts: int) -> None:
        place, request = (partition, entry.position), decode_entry(entry.position, entry.data)
        if request.envelope is None:
            # No request: nobody can ever serve it.
            _log.warning("task_unreadable", kind=self._kind, position=entry.position, error=request.error)
            await self.settle(place)
        elif attempts == 1 and not self._is_current(partition, request.envelope):
            await self.settle(place)
        else:
            self._held.add(place)
            self._found.append(HeldRequest(self, place, request.envelope, attempts))

    def _is_current(self, partition: int, request: Envelope) -> bool:
        """Refuse a request that a fenced owner slipped in behind those of its heir.

        Only new requests are judged: one that is tried again may be of an owner that left in good order.
        """
        latest = self._epochs.get(partition, 0)
        epoch = request.metadata.get("epoch", latest)
        if not isinstance(epoch, int) or epoch < latest:
            _log.warning("request_refused", kind=self._kind, session=request.session_id, epoch=epoch, latest=latest)
            return False
        self._epochs[partition] = epoch
        return True
