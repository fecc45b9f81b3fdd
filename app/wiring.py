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
from adapters.lane.memory import MemoryLane
from adapters.lane.pool import WorkerPool
from adapters.lane.port import MediaLane
from adapters.media.webrtc import WebRtcPeer
from adapters.media.webrtc_seam import assert_aiortc_unchanged
from adapters.media.websocket import WebSocketLeg
from adapters.recognisers.port import Recogniser
from adapters.recognisers.remote import RemoteRecogniser
from adapters.recognisers.whisper import WhisperRecogniser
from adapters.voices.espeak import EspeakVoice
from adapters.voices.piper import PiperVoice
from adapters.voices.port import Voice
from adapters.voices.remote import RemoteVoice
from adapters.voices.spelled_voice import SpelledVoice
from app.gateway.services import CallServices
from app.gateway.voice_activity import ChunkedActivity
from app.runtime import Parts
from app.settings import AUDIO_KINDS, Settings
from app.task_errors import first_of_ours
from app.workers import LOCAL_KINDS
from app.workers_audio import recognise_requests, speak_requests
from statecharts.events import VoicechartError

__all__ = [
    "Bm25Answerer",
    "EspeakVoice",
    "PiperVoice",
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


def _open_lane(bus: EventBus | None) -> MediaLane:
    match bus:
        case RedisStreamsBus():
            return bus.lane()
        case MemoryBus():
            return MemoryLane()
        case _:
            raise VoicechartError(
                "tts and stt workers need a media lane, and this event log has none. "
                "Use --bus redis://host:port/db, or leave --remote out: the models are loaded here then."
            )


async def load_parts(
    settings: Settings, roles: Sequence[str], progress: Callable[[str], None], bus: EventBus | None = None
) -> Parts:
    """Load what these roles need, all models at the same time.

    Args:
        settings: Which models, which knowledge, and which of them are not loaded but asked of workers.
        roles: Some of `gateway`, `orchestrator`, `workers` and the kinds of workers.
        progress: Told of each part when it is there.
        bus: Where workers are asked, and asked from.

    Raises:
        VoicechartError: A part cannot be had; the message says what to do.
    """
    policy, phrases = settings.rules
    parts = Parts(policy=policy, phrases=phrases)
    _connect_audio(parts, settings, roles, bus)
    wanted = {part for role in roles for part in (LOCAL_KINDS if role == "workers" else (role,))}
    with _Loader(progress) as loader, first_of_ours():
        async with asyncio.TaskGroup() as group:
            if "intent" in wanted:
                parts.classifier = RuleIntents()
            if "rag" in wanted:
                group.create_task(_load_answers(parts, settings, loader))
            if "gateway" in wanted:
                group.create_task(_load_gateway(parts, settings, loader))
            if "tts" in wanted:
                group.create_task(_load_speaker(parts, settings, loader))
            if "stt" in wanted:
                group.create_task(_load_hearer(parts, settings, loader))
    return parts


class _Loader:
    """Threads that load models, and tell of each when it is there.

    Not asyncio's own: its loop waits for those before it ends, and a model that loads cannot be called back.
    """

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress = progress
        self._threads = ThreadPoolExecutor(4, "loader")

    def __enter__(self) -> _Loader:
        return self

    def __exit__(self, *error: object) -> None:
        self._threads.shutdown(wait=False)

    async def load(self, name: str, make: Callable[[], _T]) -> _T:
        made = await asyncio.get_running_loop().run_in_executor(self._threads, make)
        told = ", else ".join(voice.name for voice in made) if isinstance(made, tuple) else getattr(made, "name", "")
        self._progress(f"{name} ({told})" if told else name)
        return made


async def _load_answers(parts: Parts, settings: Settings, loader: _Loader) -> None:
    folder = settings.knowledge
    parts.answerer = await loader.load(f"knowledge in {folder}", partial(Bm25Answerer, Path(folder)))


async def _load_gateway(parts: Parts, settings: Settings, loader: _Loader) -> None:
    # Better no server than one whose calls break in the middle.
    assert_aiortc_unchanged()
    async with asyncio.TaskGroup() as group:
        detector = group.create_task(loader.load("voice detector (Silero)", SileroDetector))
        recogniser = group.create_task(loader.load("recogniser", partial(_recogniser, settings, parts.pool)))
        voices = group.create_task(loader.load("voice", partial(_voices, settings, parts.pool)))
    silero = detector.result()
    parts.call_services = CallServices(
        activity=lambda: ChunkedActivity(silero.stream, parts.policy.settle_s),
        recogniser=recogniser.result(),
        voices=voices.result(),
        policy=parts.policy,
        fed_leg=WebSocketLeg,
        peer_leg=partial(WebRtcPeer, ice_servers=settings.ice_servers, include_loopback=settings.include_loopback),
    )


async def _load_speaker(parts: Parts, settings: Settings, loader: _Loader) -> None:
    # Only the best of them: a gateway has the last one itself.
    voices = await loader.load("voice", partial(_voices, settings))
    parts.audio_works["tts"] = speak_requests(voices[0])


async def _load_hearer(parts: Parts, settings: Settings, loader: _Loader) -> None:
    parts.audio_works["stt"] = recognise_requests(await loader.load("recogniser", partial(_recogniser, settings)))


def _connect_audio(parts: Parts, settings: Settings, roles: Sequence[str], bus: EventBus | None) -> None:
    """Open the media lane if these roles need it."""
    if "gateway" in roles:
        parts.remote = settings.remote
    if not parts.remote and not set(roles) & set(AUDIO_KINDS):
        return
    parts.lane = _open_lane(bus)
    if parts.remote and bus is not None:
        parts.pool = WorkerPool(bus, parts.lane)


def _recogniser(settings: Settings, pool: WorkerPool | None = None) -> Recogniser:
    if pool is not None and "stt" in settings.remote:
        return RemoteRecogniser(pool)
    return WhisperRecogniser(settings.model)


def _voices(settings: Settings, pool: WorkerPool | None = None) -> tuple[Voice, ...]:
    """Return the voices of a gateway, the best first; espeak, which needs no model and knows most languages, last."""
    name, language = settings.voice, settings.language
    english = language.split("-")[0] == "en"
    # Numbers and units are spelled out in English; in other languages espeak reads them itself.
    espeak = SpelledVoice(EspeakVoice()) if english else EspeakVoice(language.lower())
    if pool is not None and "tts" in settings.remote:
        return RemoteVoice(pool), espeak
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
