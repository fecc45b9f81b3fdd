"""One process of voicechart: its roles, running together, and whether they are ready."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from adapters.answers.port import Answerer, IntentClassifier
from adapters.bus.port import BusUnavailable, EventBus
from adapters.lane.pool import WorkerPool
from adapters.lane.port import MediaLane
from app.gateway.gateway import Gateway
from app.gateway.services import CallServices
from app.observability import EventFigures
from app.orchestrator import Orchestrator
from app.workers import BACKOFF_SPREAD, Work, Worker, answer_requests, classify_requests
from app.workers_audio import AudioWork, AudioWorker
from statecharts.phrases import Phrases
from statecharts.policy import Policy

__all__ = ["Parts", "Runtime"]

_log = structlog.get_logger()
TRIM_EVERY_S = 60.0


@dataclass
class Parts:
    """What the roles are made of; what a role of this process does not need is left out."""

    policy: Policy
    phrases: Phrases
    call_services: CallServices | None = None
    classifier: IntentClassifier | None = None
    answerer: Answerer | None = None
    lane: MediaLane | None = None
    """Where audio goes to other processes, and comes from them."""
    remote: Sequence[str] = ()
    """Kinds of workers that the gateway asks."""
    pool: WorkerPool | None = None
    """Asks them."""
    audio_works: dict[str, AudioWork] = field(default_factory=dict)
    """What each kind of worker does that answers by the lane."""

    @property
    def works(self) -> dict[str, Work]:
        """What each kind of worker does that there is enough for."""
        works: dict[str, Work] = {}
        if self.classifier is not None:
            works["intent"] = classify_requests(self.classifier)
        if self.answerer is not None:
            works["rag"] = answer_requests(self.answerer)
        return works


@dataclass
class Runtime:
    """The running roles of a process.

    Attributes:
        bus: The log they share.
        parts: What they are made of, once it is loaded.
        roles: Some of `gateway`, `orchestrator`, `workers` and the kinds of workers.
        clock: Tells the Unix time.
        back_off_spread: By which share of itself the wait before another attempt at a request varies.
    """

    bus: EventBus
    roles: Sequence[str]
    mirrored: bool
    retention_s: float
    back_off_spread: float = BACKOFF_SPREAD
    clock: Callable[[], float] = time.time
    figures: EventFigures = field(default_factory=EventFigures)
    parts: Parts | None = None
    gateway: Gateway | None = None
    orchestrator: Orchestrator | None = None
    workers: list[Worker] = field(default_factory=list)
    audio_workers: list[AudioWorker] = field(default_factory=list)
    draining: bool = False

    async def run(self, parts: Parts, started: asyncio.Event) -> None:
        """Run the roles until cancelled."""
        self.parts = parts
        suffix = uuid.uuid4().hex[:12]
        async with asyncio.TaskGroup() as group:
            if "orchestrator" in self.roles:
                self.orchestrator = Orchestrator(
                    self.bus, f"orchestrator-{suffix}", parts.policy, parts.phrases, self.figures,
                    mirrored=self.mirrored, clock=self.clock, retention_s=self.retention_s,
                )  # fmt: skip
                group.create_task(self.orchestrator.run(), name="orchestrator")
                group.create_task(self._trim(), name="trimmer")
            for kind, work in parts.works.items():
                worker = Worker(self.bus, kind, f"{kind}-{suffix}", work, self.clock, self.back_off_spread)
                self.workers.append(worker)
                group.create_task(worker.run(), name=f"{kind}-worker")
            if parts.call_services is not None:
                self.gateway = Gateway(self.bus, parts.call_services, self.clock, self.figures.note_duck)
                group.create_task(self.gateway.run(), name="gateway")
                if parts.pool is not None:
                    group.create_task(parts.pool.run(self.gateway.name, self.figures.count_late), name="worker-pool")
            for kind, audio_work in parts.audio_works.items():
                assert parts.lane is not None
                audio_worker = AudioWorker(self.bus, parts.lane, kind, f"{kind}-{suffix}", audio_work)
                self.audio_workers.append(audio_worker)
                group.create_task(audio_worker.run(), name=f"{kind}-worker")
            started.set()

    async def leave(self) -> None:
        """Let the other processes have what is shared out: finish what is in work, take nothing new."""
        leaving = [role.leave() for role in (self.orchestrator, *self.workers, *self.audio_workers) if role is not None]
        await asyncio.gather(*leaving)

    async def missing(self) -> list[str]:
        """Return what keeps a question asked now from being answered; nothing, when ready."""
        if self.draining:
            return ["the server is shutting down"]
        if self.parts is None:
            return ["models are still loading"]
        try:
            await self.bus.ping()
            needed = ("orchestrator", "intent", "rag", *self.parts.remote)
            roles = {role: await self.bus.members(role) for role in needed}
        except BusUnavailable as error:
            return [str(error)]
        missing = [f"no {role} is alive" for role, names in roles.items() if not names]
        if self.orchestrator is not None and not self.orchestrator.partitions_owned:
            missing.append("no partition is owned yet")
        return missing

    async def _trim(self) -> None:
        while True:
            await asyncio.sleep(TRIM_EVERY_S)
            try:
                await self.bus.trim(self.retention_s)
            except BusUnavailable as error:
                _log.warning("log_not_trimmed", error=str(error))
