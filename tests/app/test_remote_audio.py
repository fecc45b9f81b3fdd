"""A whole call whose voice and ears are other processes' workers: what the caller hears when those die."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from adapters.bus.memory import MemoryBus
from adapters.bus.memory_workers import MemorySubscription, Task
from adapters.bus.port import BusUnavailable
from adapters.lane.memory import MemoryLane
from adapters.lane.pool import WorkerPool
from adapters.recognisers.remote import RemoteRecogniser
from adapters.voices.remote import RemoteVoice
from app.observability import EventFigures
from app.runtime import Parts, Runtime
from app.settings import BadSetting, load_settings
from app.wiring import load_parts
from app.workers_audio import AudioWork, AudioWorker, recognise_requests, speak_requests
from statecharts.events import VoicechartError
from statecharts.phrases import Phrases
from statecharts.policy import Policy
from tests.app.test_degrading import ANSWER, POLICY, Line, line
from tests.fakes import ScriptedRecogniser, ToneVoice

WORDS = len(ANSWER.split())


class Shop:
    """A memory bus, a lane and a pool, and workers that may be killed."""

    def __init__(self) -> None:
        self.bus = MemoryBus(partitions=1)
        self.lane = MemoryLane()
        self.pool = WorkerPool(self.bus, self.lane)
        self.workers: list[asyncio.Task[None]] = []

    async def hire(self, kind: str, work: AudioWork) -> asyncio.Task[None]:
        worker = AudioWorker(self.bus, self.lane, kind, f"{kind}-{len(self.workers)}", work)
        self.workers.append(asyncio.create_task(worker.run()))
        while not await self.bus.members(kind):
            await asyncio.sleep(0.005)
        return self.workers[-1]


@asynccontextmanager
async def shop() -> AsyncIterator[Shop]:
    made = Shop()
    try:
        yield made
    finally:
        for worker in made.workers:
            worker.cancel()
        await asyncio.gather(*made.workers, return_exceptions=True)


async def asked(made: Line) -> None:
    await made.type("how old is the bridge")
    await made.until_it_is_over()


async def test_a_call_is_heard_and_answered_by_workers() -> None:
    async with shop() as remote:
        recogniser = ScriptedRecogniser(["how old is the bridge"])
        await remote.hire("stt", recognise_requests(recogniser))
        await remote.hire("tts", speak_requests(ToneVoice()))
        voices, ears = (RemoteVoice(remote.pool), ToneVoice()), RemoteRecogniser(remote.pool)
        async with line(voices=voices, recogniser=ears, bus=remote.bus, pool=remote.pool) as made:
            await made.speak()
            await made.until_it_is_over()
            assert made.texts() == [("answer", ANSWER)]
            assert abs(made.audio_s("answer") - WORDS * 0.1) < 0.001
        assert recogniser.heard
        assert voices[1].asked == []


async def test_a_worker_killed_while_it_thinks_is_followed_by_the_next_voice() -> None:
    async with shop() as remote:
        stuck, ours = ToneVoice(asyncio.Event()), ToneVoice()
        worker = await remote.hire("tts", speak_requests(stuck))
        voices, patient = (RemoteVoice(remote.pool), ours), msgspec.structs.replace(POLICY, answer_deadline_s=8.0)
        async with line(voices=voices, bus=remote.bus, pool=remote.pool, policy=patient) as made:
            await made.type("how old is the bridge")
            async with asyncio.timeout(5.0):
                while not stuck.asked:
                    await asyncio.sleep(0.01)
            worker.cancel()
            began = time.monotonic()
            await made.until_it_is_over()
            assert time.monotonic() - began < 6.0
            assert ours.asked == [ANSWER]
            assert made.texts() == [("answer", ANSWER)], "its text is shown once"
            assert abs(made.audio_s("answer") - WORDS * 0.1) < 0.001
            assert made.states() == ["THINKING", "SPEAKING", "LISTENING"]


async def test_without_workers_the_call_goes_on_with_the_voice_at_hand() -> None:
    async with shop() as remote:
        ours = ToneVoice()
        async with line(voices=(RemoteVoice(remote.pool), ours), bus=remote.bus, pool=remote.pool) as made:
            await asked(made)
            assert ours.asked == [ANSWER]
            assert made.states() == ["THINKING", "SPEAKING", "LISTENING"]


async def test_without_workers_that_hear_it_is_admitted_aloud() -> None:
    async with shop() as remote:
        ears = RemoteRecogniser(remote.pool)
        async with line(recogniser=ears, bus=remote.bus, pool=remote.pool) as made:
            await made.speak()
            async with asyncio.timeout(10.0):
                while "SPEAKING" not in made.states():
                    await asyncio.sleep(0.02)
            await made.until_it_is_over()
            assert [kind for kind, _ in made.texts()] == ["apology"]


async def test_a_request_that_could_not_be_acknowledged_is_acknowledged_later(monkeypatch: pytest.MonkeyPatch) -> None:
    settle, tried = MemorySubscription.settle, 0

    async def away_at_first(hands: MemorySubscription, place: Task) -> None:
        nonlocal tried
        tried += place.envelope.event_type == "voice.tts.request"
        if tried == 1:
            raise BusUnavailable("no answer")
        await settle(hands, place)

    monkeypatch.setattr(MemorySubscription, "settle", away_at_first)
    async with shop() as remote:
        await remote.hire("tts", speak_requests(ToneVoice()))
        voices = (RemoteVoice(remote.pool), ToneVoice())
        async with line(voices=voices, bus=remote.bus, pool=remote.pool) as made:
            await asked(made)
            assert abs(made.audio_s("answer") - WORDS * 0.1) < 0.001
            async with asyncio.timeout(5.0):
                while remote.bus.tasks["tts"]:
                    await asyncio.sleep(0.01)
        assert tried > 1


async def test_readiness_names_the_kinds_of_workers_that_are_missing() -> None:
    bus = MemoryBus(partitions=1)
    runtime = Runtime(bus=bus, roles=("orchestrator",), mirrored=False, retention_s=60.0)
    runtime.parts = Parts(policy=Policy(), phrases=Phrases(), remote=("tts", "stt"))
    assert {"no tts is alive", "no stt is alive"} <= set(await runtime.missing())
    await bus.announce("tts", "tts-1", 60.0)
    missing = await runtime.missing()
    assert "no tts is alive" not in missing
    assert "no stt is alive" in missing


async def test_a_gateway_that_asks_workers_loads_no_model_and_workers_load_theirs() -> None:
    told: list[str] = []
    settings = load_settings(bus="memory://", remote="tts,stt", voice="espeak")
    bus = MemoryBus()
    gateway = await load_parts(settings, ("gateway",), told.append, bus)
    assert sorted(told) == ["recogniser (remote)", "voice (remote, else espeak)", "voice detector (Silero)"]
    assert gateway.remote == ("tts", "stt")
    assert gateway.pool is not None
    worker = await load_parts(settings, ("tts",), told.append, bus)
    assert list(worker.audio_works) == ["tts"]
    assert worker.call_services is None


async def test_a_log_without_a_lane_says_so() -> None:
    settings = load_settings(bus="memory://", remote="tts")
    with pytest.raises(VoicechartError, match="need a media lane, and this event log has none"):
        await load_parts(settings, ("gateway",), lambda part: None)


def test_what_is_asked_of_workers_is_a_list_with_commas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings().remote == ()
    assert load_settings(remote="stt, tts,stt").remote == ("stt", "tts")
    monkeypatch.setenv("VOICECHART_REMOTE", "tts")
    assert load_settings().remote == ("tts",)
    with pytest.raises(BadSetting, match="workers of tts, stt can be asked for"):
        load_settings(remote="rag")


def test_late_replies_are_a_figure() -> None:
    figures = EventFigures()
    figures.count_late()
    assert figures.registry.get_sample_value("voicechart_late_replies_total") == 1
