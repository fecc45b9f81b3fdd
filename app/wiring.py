"""The one place that names technologies: which adapter fills which port."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from adapters.answers.bm25 import Bm25Answerer
from adapters.answers.intents import RuleIntents
from adapters.bus.embedded_valkey import EmbeddedValkey
from adapters.bus.memory import MemoryBus
from adapters.bus.port import EventBus
from adapters.bus.redis_streams import RedisStreamsBus
from adapters.detectors.silero import SileroDetector
from adapters.media.webrtc import WebRtcPeer
from adapters.media.webrtc_seam import assert_aiortc_unchanged
from adapters.media.websocket import WebSocketLeg
from adapters.recognisers.whisper import WhisperRecogniser
from adapters.voices.espeak import EspeakVoice
from adapters.voices.piper import PiperVoice
from adapters.voices.port import Voice
from adapters.voices.spelled_voice import SpelledVoice
from app.gateway.services import CallServices
from app.gateway.voice_activity import ChunkedActivity
from app.runtime import Parts
from app.settings import Settings
from app.task_errors import first_of_ours
from app.workers import LOCAL_KINDS
from statecharts.events import VoicechartError

__all__ = [
    "Bm25Answerer",
    "EmbeddedValkey",
    "EspeakVoice",
    "PiperVoice",
    "RedisStreamsBus",
    "SileroDetector",
    "WhisperRecogniser",
    "load_parts",
    "open_bus",
    "open_log",
]

_log = structlog.get_logger()
_T = TypeVar("_T")


@asynccontextmanager
async def open_bus(settings: Settings) -> AsyncIterator[EventBus]:
    """Open the bus of the settings; without an address it brings a server of its own, which ends with it."""
    if settings.bus.startswith("memory:"):
        memory = MemoryBus()
        await memory.start()
        yield memory
        await memory.close()
        return
    embedded = None if settings.bus else EmbeddedValkey(Path(settings.data))
    url = settings.bus or await asyncio.to_thread(_start, embedded)
    bus = _kafka(url) if url.startswith("kafka:") else RedisStreamsBus(url)
    try:
        await bus.start()
        try:
            yield bus
        finally:
            await bus.close()
    finally:
        if embedded is not None:
            await asyncio.to_thread(embedded.stop)


def _kafka(url: str) -> EventBus:
    if importlib.util.find_spec("aiokafka") is None:
        raise VoicechartError(
            f"the bus is {url}, and the client for Kafka is not installed. Install voicechart[kafka], or point --bus "
            "(or VOICECHART_BUS) at a Redis-compatible server."
        )
    from adapters.bus.kafka import KafkaBus  # its client is an extra, and a twentieth of a start

    return KafkaBus(url)


@asynccontextmanager
async def open_log(settings: Settings) -> AsyncIterator[EventBus]:
    """Open the bus of the settings to read it; the server that now runs on their data folder is shared, not fought."""
    running = "" if settings.bus else EmbeddedValkey.running(Path(settings.data))
    async with open_bus(settings.model_copy(update={"bus": running}) if running else settings) as bus:
        yield bus


def _start(embedded: EmbeddedValkey | None) -> str:
    assert embedded is not None
    return embedded.start()


async def load_parts(settings: Settings, roles: Sequence[str], progress: Callable[[str], None]) -> Parts:
    """Load what these roles need, all models at the same time.

    Args:
        settings: Which models, which knowledge.
        roles: Some of `gateway`, `orchestrator`, `workers` and the kinds of workers.
        progress: Told of each part when it is there.

    Raises:
        VoicechartError: A part cannot be had; the message says what to do.
    """
    policy, phrases = settings.rules
    parts = Parts(policy=policy, phrases=phrases)
    wanted = {part for role in roles for part in (LOCAL_KINDS if role == "workers" else (role,))}

    # Not asyncio's own threads: its loop waits for those before it ends, and a model that loads cannot be called back.
    loader = ThreadPoolExecutor(4, "loader")

    async def load(name: str, make: Callable[[], _T]) -> _T:
        made = await asyncio.get_running_loop().run_in_executor(loader, make)
        told = ", else ".join(voice.name for voice in made) if isinstance(made, tuple) else getattr(made, "name", "")
        progress(f"{name} ({told})" if told else name)
        return made

    try:
        with first_of_ours():
            async with asyncio.TaskGroup() as group:
                if "intent" in wanted:
                    parts.classifier = RuleIntents()
                if "rag" in wanted:
                    answers = group.create_task(
                        load(f"knowledge in {settings.knowledge}", partial(Bm25Answerer, Path(settings.knowledge)))
                    )
                if "gateway" in wanted:
                    detector = group.create_task(load("voice detector (Silero)", SileroDetector))
                    recogniser = group.create_task(
                        load(f"recogniser (Whisper {settings.model})", partial(WhisperRecogniser, settings.model))
                    )
                    voices = group.create_task(load("voice", partial(_voices, settings.voice, settings.language)))
    finally:
        loader.shutdown(wait=False)
    if "rag" in wanted:
        parts.answerer = answers.result()
    if "gateway" in wanted:
        # Better no server than one whose calls break in the middle.
        assert_aiortc_unchanged()
        silero = detector.result()
        parts.call_services = CallServices(
            activity=lambda: ChunkedActivity(silero.stream, parts.policy.settle_s),
            recogniser=recogniser.result(),
            voices=voices.result(),
            policy=parts.policy,
            fed_leg=WebSocketLeg,
            peer_leg=partial(WebRtcPeer, ice_servers=settings.ice_servers, include_loopback=settings.include_loopback),
        )
    return parts


def _voices(name: str, language: str) -> tuple[Voice, ...]:
    """Return the voices of a gateway, the best first; espeak, which needs no model and knows most languages, last."""
    english = language.split("-")[0] == "en"
    # Numbers and units are spelled out in English; in other languages espeak reads them itself.
    espeak = SpelledVoice(EspeakVoice()) if english else EspeakVoice(language.lower())
    if name == "espeak":
        return (espeak,)
    if name == "edge":
        from adapters.voices.edge import EdgeVoice  # the only one that needs aiohttp, a tenth of a start

        return EdgeVoice(), espeak  # knows how things are said
    if not english:
        _log.warning("voice_missing", voice="piper", language=language, instead="espeak", advice="or --voice edge")
        return (espeak,)
    if importlib.util.find_spec("piper") is None:
        _log.warning("voice_missing", voice="piper", instead="espeak", advice="install voicechart[piper]")
        return (espeak,)
    return SpelledVoice(PiperVoice()), espeak
