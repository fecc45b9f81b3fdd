"""A worker's process that dies or stands still while it speaks or recognises: the gateway knows soon, and goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.bus.embedded_valkey import EmbeddedValkey
from adapters.bus.redis_streams import RedisStreamsBus
from adapters.lane.pool import SILENCE_S, WorkerPool
from adapters.recognisers.remote import RemoteRecogniser
from adapters.voices.port import SpeechPiece, VoiceFailed
from adapters.voices.remote import RemoteVoice
from tests.faults.audio_worker import RECOGNISED_S
from tests.server_process import ROOT
from tests.speech import load

WITHIN_S = 20.0
SLOW = "tests.faults.audio_worker"
SENTENCE = "I have five states, and each has a deadline."


class Gateway:
    """What of a gateway a remote voice needs, on a server of its own."""

    def __init__(self, server: EmbeddedValkey, url: str) -> None:
        self.server = server
        self.url = url
        self.bus = RedisStreamsBus(url)
        self.pool = WorkerPool(self.bus, self.bus.lane())
        self.voice = RemoteVoice(self.pool)
        self.late = 0

    def count_late(self) -> None:
        self.late += 1

    async def until_there_are(self, kind: str, count: int = 1) -> None:
        async with asyncio.timeout(WITHIN_S):
            while len(await self.bus.members(kind)) < count:
                await asyncio.sleep(0.02)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    server = EmbeddedValkey(tmp_path)
    made = Gateway(server, await asyncio.to_thread(server.start))
    await made.bus.start()
    running = asyncio.create_task(made.pool.run("gateway-test", made.count_late))
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await made.bus.close()
    await asyncio.to_thread(server.stop)


@contextmanager
def worker_process(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


async def first_and_rest(voice: RemoteVoice) -> tuple[SpeechPiece, AsyncIterator[SpeechPiece]]:
    pieces = voice.synthesise(SENTENCE * 3)
    async with asyncio.timeout(WITHIN_S):
        return await anext(pieces), pieces


async def failure(pieces: AsyncIterator[SpeechPiece]) -> tuple[str, float]:
    """Listen until it fails; return why, and how long after the last piece."""
    last = time.monotonic()
    try:
        async with asyncio.timeout(WITHIN_S):
            async for _ in pieces:
                last = time.monotonic()
    except VoiceFailed as error:
        return str(error), time.monotonic() - last
    raise AssertionError("it was spoken to the end")


async def spoken(gateway: Gateway) -> list[SpeechPiece]:
    await gateway.until_there_are("tts")
    async with asyncio.timeout(WITHIN_S):
        return [piece async for piece in gateway.voice.synthesise("Again.")]


@pytest.mark.parametrize("fate", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_process_that_dies_while_it_speaks_has_failed_soon(gateway: Gateway, fate: signal.Signals) -> None:
    with worker_process(SLOW, gateway.url, "tts") as process:
        await gateway.until_there_are("tts")
        first, rest = await first_and_rest(gateway.voice)
        assert first.pcm
        process.send_signal(fate)
        why, after_s = await failure(rest)
        assert "silent" in why
        assert after_s < SILENCE_S + 1.5


async def test_a_process_that_wakes_up_stops_and_serves_the_next(gateway: Gateway) -> None:
    with worker_process(SLOW, gateway.url, "tts") as process:
        await gateway.until_there_are("tts")
        _, rest = await first_and_rest(gateway.voice)
        process.send_signal(signal.SIGSTOP)
        why, _ = await failure(rest)
        assert "silent" in why
        process.send_signal(signal.SIGCONT)
        assert await spoken(gateway)
        await asyncio.sleep(0.5)
        assert gateway.late <= 1, "it does not go on with what nobody hears"


async def test_a_frozen_server_fails_a_sentence_and_the_next_one_is_spoken(gateway: Gateway) -> None:
    with worker_process(SLOW, gateway.url, "tts"):
        await gateway.until_there_are("tts")
        _, rest = await first_and_rest(gateway.voice)
        os.kill(gateway.server.pid, signal.SIGSTOP)
        try:
            assert "silent" in (await failure(rest))[0]
            assert "no tts worker can be asked" in (await failure(gateway.voice.synthesise(SENTENCE)))[0]
        finally:
            os.kill(gateway.server.pid, signal.SIGCONT)
        assert await spoken(gateway)


async def test_the_command_serves_and_leaves_in_good_order(gateway: Gateway) -> None:
    with worker_process("app", "worker", "tts", "--voice", "espeak", "--bus", gateway.url) as process:
        assert await spoken(gateway)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, WITHIN_S) == 0
        assert not await gateway.bus.members("tts"), "nobody is sent there any more"


async def who_says_it(*processes: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    """Return the one of these that says something first."""
    said = {
        asyncio.create_task(asyncio.to_thread(process.stdout.readline)): process
        for process in processes
        if process.stdout is not None
    }
    async with asyncio.timeout(WITHIN_S):
        done, _ = await asyncio.wait(said, return_when=asyncio.FIRST_COMPLETED)
    return said[done.pop()]


@pytest.mark.real
@pytest.mark.parametrize(
    "fate",
    [
        pytest.param(signal.SIGKILL, marks=pytest.mark.fault(12)),
        pytest.param(signal.SIGSTOP, marks=pytest.mark.fault(13)),
    ],
)
async def test_an_utterance_is_recognised_by_another_process_and_once(
    gateway: Gateway, fate: signal.Signals, measured: Callable[[str], None]
) -> None:
    recogniser = RemoteRecogniser(gateway.pool)
    with worker_process(SLOW, gateway.url, "stt") as one, worker_process(SLOW, gateway.url, "stt") as other:
        await gateway.until_there_are("stt", 2)
        recognising = asyncio.create_task(recogniser.recognise(load("ask_states.wav")))
        process = await who_says_it(one, other)
        process.send_signal(fate)
        began = time.monotonic()
        recognised = await recognising
        after_s = time.monotonic() - began
        assert recognised.text.lower().startswith("what are your states")
        process.send_signal(signal.SIGCONT)  # its words are due by now, and nobody waits for them
        await asyncio.sleep(0.5)
        assert gateway.late <= 1
        measured(f"recognised elsewhere after {after_s:.2f} s, of which that takes {RECOGNISED_S:.0f} s")
