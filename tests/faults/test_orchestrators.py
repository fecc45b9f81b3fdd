"""Two orchestrators in processes of their own: one is killed, or stands still, while a caller hears an answer."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from adapters.bus.port import partition_of
from adapters.bus.redis_streams import RedisStreamsBus
from app.chaos.fleet import RoleProcess
from app.chaos.watching import Watch
from app.folding import JournalRecord
from app.history.checking import check
from app.history.records import History
from app.session_record import SessionRecord
from statecharts.events import (
    Connected,
    Event,
    IntentDetected,
    PlaybackProgress,
    RagAnswerReady,
    SttFinal,
    TimerFired,
    TtsChunkReady,
    to_envelope,
)

WITHIN_S = 30.0


class Pair:
    """Two orchestrators on one log, and a session whose partition one of them owns."""

    def __init__(self, url: str, folder: Path) -> None:
        path = url.removeprefix("unix://")
        self.bus = RedisStreamsBus(url)
        self.watch = Watch(url, self.bus.partitions)
        self.first, self.second = (RoleProcess("orchestrator", name, path, folder) for name in ("first", "second"))
        self.session_id = ""

    async def start(self) -> None:
        """The first gets all partitions, the second its share of them; the session is one of the first's."""
        await self.bus.start()
        await self.first.start()
        await self._until(lambda: all(self.watch.history.values()))
        mine = {owned[-1].owner for owned in self.watch.history.values()}
        await self.second.start()
        await self._until(lambda: len({owned[-1].owner for owned in self.watch.history.values()}) == 2)
        kept = {partition for partition, owned in self.watch.history.items() if owned[-1].owner in mine}
        while partition_of(self.session_id, self.bus.partitions) not in kept or not self.session_id:
            self.session_id = str(uuid.uuid4())
        await self.bus.announce("gateway", "gateway-test", 600.0)

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not holds():
                await asyncio.sleep(0.02)

    async def emit(self, *events: Event) -> None:
        stamped = [
            msgspec.structs.replace(event, timestamp=time.time(), event_id=str(uuid.uuid4())) for event in events
        ]
        await self.bus.publish(*(to_envelope(event, self.session_id, source="gateway-test") for event in stamped))

    async def record(self) -> SessionRecord:
        blob = await self.bus.snapshot(self.session_id)
        return SessionRecord.decode(blob) if blob else SessionRecord(session_id=self.session_id)

    async def until_folded(self, count: int) -> None:
        """Wait until so many of our facts have been folded."""
        async with asyncio.timeout(WITHIN_S):
            while len(_ours(await self._records())) < count:
                await asyncio.sleep(0.01)

    async def _records(self) -> list[JournalRecord]:
        return [msgspec.json.decode(data, type=JournalRecord) for data in await self.bus.journal(self.session_id)]

    async def speak(self) -> None:
        """Bring the session to where an answer is being heard: six facts."""
        await self.emit(Connected(), SttFinal(text="how old is the bridge", origin="typed"))
        await self.until_folded(2)
        await self.emit(
            IntentDetected(intent="question", turn=1, request_id="1.intent"),
            RagAnswerReady(text="It opened in 1883.", is_final=True, turn=1, request_id="1.answer"),
            TtsChunkReady(turn=1, audio_ms=5000, request_id="1.answer.1"),
            PlaybackProgress(turn=1, played_s=0.5),
        )
        await self.until_folded(6)
        assert (await self.record()).state.startswith("SPEAKING")

    async def is_sound(self, facts: int) -> bool:
        """Whether so many of our facts were folded, each once, and every rule of histories holds.

        On a slow machine timers run out as well; one that was due while its process stood still is published late.
        """
        records = await self._records()
        entries = await self.bus.replay(self.session_id)
        history = History(session_id=self.session_id, entries=entries, journal=records, finished=False)
        assert check(history) == []
        assert self.watch.wrong == []
        there = [entry for entry in entries if entry.envelope and entry.envelope.source == "gateway-test"]
        return len(_ours(records)) == len(there) == facts


def _ours(records: list[JournalRecord]) -> list[JournalRecord]:
    return [record for record in records if record.event_type != TimerFired.event_type]


@pytest.fixture
async def pair(log_url: str, tmp_path: Path) -> AsyncIterator[Pair]:
    made = Pair(log_url, tmp_path)
    watching = asyncio.create_task(made.watch.run())
    try:
        await made.start()
        yield made
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        for process in (made.first, made.second):
            process.thaw()
            await process.kill()
            await process.link.close()
        await made.bus.close()


@pytest.mark.fault(18)
async def test_when_one_is_killed_the_other_goes_on_with_the_answer(
    pair: Pair, measured: Callable[[str], None]
) -> None:
    await pair.speak()
    await pair.first.kill()
    began = time.monotonic()
    await pair.emit(PlaybackProgress(turn=1, played_s=1.0))
    await pair.until_folded(7)
    measured(f"the next fact was folded {time.monotonic() - began:.2f} s after the kill")
    assert (await pair.record()).state.startswith("SPEAKING")
    assert await pair.is_sound(7)


@pytest.mark.fault(19)
async def test_one_that_stood_still_commits_nothing_when_it_wakes(pair: Pair, measured: Callable[[str], None]) -> None:
    await pair.speak()
    pair.first.freeze()
    began = time.monotonic()
    await pair.emit(PlaybackProgress(turn=1, played_s=1.0))
    await pair.until_folded(7)
    measured(f"the other one went on after {time.monotonic() - began:.2f} s, the sleeper committed nothing on waking")
    pair.first.thaw()
    for number in range(20):
        await pair.emit(PlaybackProgress(turn=1, played_s=1.0 + number / 20))
        await pair.until_folded(8 + number)
    assert await pair.is_sound(27)
