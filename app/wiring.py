"""The one place, with `app/wiring_models.py`, that names technologies: which adapter fills which port."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.answers.intents import RuleIntents
from adapters.bus.embedded_cluster import EmbeddedCluster
from adapters.bus.embedded_valkey import EmbeddedValkey
from adapters.bus.memory import MemoryBus
from adapters.bus.port import EventBus
from adapters.bus.redis_admin import RedisAdmin
from adapters.bus.redis_streams import RedisStreamsBus
from adapters.lane.memory import MemoryLane
from adapters.lane.pool import WorkerPool
from adapters.lane.port import MediaLane
from app.loading import Loader
from app.runtime import Parts
from app.settings import AUDIO_KINDS, Settings
from app.task_errors import first_of_ours
from app.workers import LOCAL_KINDS
from statecharts.events import VoicechartError

if TYPE_CHECKING:
    from adapters.answers.bm25 import Bm25Answerer

__all__ = [
    "EmbeddedValkey",
    "RedisStreamsBus",
    "load_parts",
    "open_answerer",
    "open_bus",
    "open_log",
    "open_measured_log",
]

_Load = Callable[[Parts, Settings, Loader], Coroutine[object, object, None]]


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


@asynccontextmanager
async def open_measured_log(
    address: str, folder: Path, *, cluster: bool
) -> AsyncIterator[tuple[EventBus, RedisAdmin, str]]:
    """Open a log to be measured: that of an address, or on servers of its own in a folder.

    Yields:
        The bus, what is behind it, and the address for others who know one server only; empty if there are several.
    """
    own = EmbeddedCluster(folder) if cluster else None if address else EmbeddedValkey(folder)
    url = address if own is None else await asyncio.to_thread(own.start)
    bus, admin = RedisStreamsBus(url), RedisAdmin(url)
    try:
        await bus.start()
        yield bus, admin, "" if "+" in url.partition(":")[0] else url
    finally:
        await bus.close()
        await admin.close()
        if own is not None:
            await asyncio.to_thread(own.stop)


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
    with Loader(progress) as loader, first_of_ours():
        async with asyncio.TaskGroup() as group:
            if "intent" in wanted:
                parts.classifier = RuleIntents()
            for load in await loader.run(partial(_loaders, wanted)):
                group.create_task(load(parts, settings, loader))
    return parts


def open_answerer(settings: Settings) -> Bm25Answerer:
    """Read the folder of documents. Raises VoicechartError if it cannot be read."""
    from adapters.answers.bm25 import Bm25Answerer  # an orchestrator needs no numpy

    return Bm25Answerer(Path(settings.knowledge))


async def _load_answers(parts: Parts, settings: Settings, loader: Loader) -> None:
    parts.answerer = await loader.load(f"knowledge in {settings.knowledge}", partial(open_answerer, settings))


def _loaders(wanted: Collection[str]) -> list[_Load]:
    """Return what loads the parts of these roles."""
    loaders: list[_Load] = [_load_answers] if "rag" in wanted else []
    if not {"gateway", *AUDIO_KINDS} & set(wanted):
        return loaders
    from app import wiring_models  # a second of a start

    of_role: dict[str, _Load] = {
        "gateway": wiring_models.load_gateway, "tts": wiring_models.load_speaker, "stt": wiring_models.load_hearer
    }  # fmt: skip
    return loaders + [load for role, load in of_role.items() if role in wanted]


def _connect_audio(parts: Parts, settings: Settings, roles: Sequence[str], bus: EventBus | None) -> None:
    """Open the media lane if these roles need it."""
    if "gateway" in roles:
        parts.remote = settings.remote
    if not parts.remote and not set(roles) & set(AUDIO_KINDS):
        return
    parts.lane = _open_lane(bus)
    if parts.remote and bus is not None:
        parts.pool = WorkerPool(bus, parts.lane)
