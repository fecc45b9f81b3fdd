"""A tts or stt worker in a process of its own that takes its time, so that it can be killed in the middle.

Run as `python -m tests.faults.audio_worker BUS tts|stt`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator

from adapters.bus.redis_streams import RedisStreamsBus
from adapters.recognisers.port import Recognised
from adapters.recognisers.whisper import WhisperRecogniser
from adapters.voices.espeak import EspeakVoice
from adapters.voices.port import SpeechPiece
from app.workers_audio import AudioWorker, recognise_requests, speak_requests

RECOGNISED_S = 2.0


class RealTimeVoice:
    """espeak, no faster than it is heard."""

    def __init__(self) -> None:
        self._voice = EspeakVoice()

    @property
    def name(self) -> str:
        return self._voice.name

    async def synthesise(self, text: str, *, deadline: float = 0.0) -> AsyncIterator[SpeechPiece]:
        async for piece in self._voice.synthesise(text, deadline=deadline):
            yield piece
            await asyncio.sleep(len(piece.pcm) / 2 / piece.rate_hz)

    def close(self) -> None:
        self._voice.close()


class SlowRecogniser:
    """Whisper, which says that it has an utterance, and takes its time with the words."""

    def __init__(self) -> None:
        self._recogniser = WhisperRecogniser()

    @property
    def name(self) -> str:
        return self._recogniser.name

    async def recognise(self, pcm: bytes, *, deadline: float = 0.0) -> Recognised:
        print("has it", flush=True)
        recognised, _ = await asyncio.gather(
            self._recogniser.recognise(pcm, deadline=deadline), asyncio.sleep(RECOGNISED_S)
        )
        return recognised

    def close(self) -> None:
        self._recogniser.close()


async def main(url: str, kind: str) -> None:
    bus = RedisStreamsBus(url)
    await bus.start()
    work = speak_requests(RealTimeVoice()) if kind == "tts" else recognise_requests(SlowRecogniser())
    await AudioWorker(bus, bus.lane(), kind, f"{kind}-{os.getpid()}", work).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
