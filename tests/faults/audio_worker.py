"""A tts worker in a process of its own that speaks in real time, so that it can be killed in the middle.

Run as `python -m tests.faults.audio_worker BUS`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

from adapters.bus.redis_streams import RedisStreamsBus
from adapters.voices.espeak import EspeakVoice
from adapters.voices.port import SpeechPiece
from app.workers_audio import AudioWorker, speak_requests

NAME = "tts-mortal"


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


async def main(url: str) -> None:
    bus = RedisStreamsBus(url)
    await bus.start()
    await AudioWorker(bus, bus.lane(), "tts", NAME, speak_requests(RealTimeVoice())).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
