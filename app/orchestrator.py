"""Owns partitions of the log: folds events through charts and commits the outcome, whole or not at all."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import Callable

import msgspec
import structlog

from adapters.bus.port import Batch, BusUnavailable, Commit, EventBus, Fenced, Lease
from app.alarms import Alarms
from app.erasing import Eraser
from app.folding import Conversation, Folded, derived_envelopes
from app.observability import EventFigures
from app.presence import PRESENCE_S
from app.session_record import SessionRecord, derived_id
from app.taking import SideBySide
from statecharts.effects import CancelTimer, Speculated, StartTimer
from statecharts.events import Disconnected, Envelope, Event, to_envelope
from statecharts.phrases import Phrases
from statecharts.policy import Policy

__all__ = ["Orchestrator"]

_log = structlog.get_logger()

SWEEP_S = 60.0
"""Time between two searches of a partition for sessions that are long over."""


class Orchestrator:
    """Runs the charts of the sessions whose partitions it owns.

    Args:
        bus: Where the events are.
        name: Unique among all orchestrators.
        policy: The numbers of turn-taking.
        phrases: What is said of our own accord.
        figures: Where to count.
        mirrored: Whether to copy every event to the session view.
        clock: Tells the Unix time.
        retention_s: For how long the log is kept, and the state of a session that has ended.
    """

    def __init__(
        self, bus: EventBus, name: str, policy: Policy, phrases: Phrases, figures: EventFigures, *, mirrored: bool,
        clock: Callable[[], float] = time.time, retention_s: float = math.inf,
    ) -> None:  # fmt: skip
        self._bus = bus
        self._name = name
        self._policy = policy
        self._phrases = phrases
        self._figures = figures
        self._mirrored = mirrored
        self._clock = clock
        self._retention_s = retention_s
        self._swept_at: dict[int, float] = {}
        self._conversations: dict[int, dict[str, Conversation]] = {}
        self._alarms = Alarms(self._say, clock)
        self._said: asyncio.Queue[Envelope] = asyncio.Queue()
        self._ownership = bus.own(name)
        self._eraser = Eraser(bus, clock)
        self._takers = SideBySide(self._take)

    @property
    def partitions_owned(self) -> int:
        """How many partitions this one folds now."""
        return len(self._ownership.leases)

    async def run(self) -> None:
        """Fold and commit until cancelled; then give the partitions back."""
        try:
            async with asyncio.TaskGroup() as group:
                beside = [
                    group.create_task(self._publish_said(), name="orchestrator-says"),
                    group.create_task(self._watch_gateways(), name="orchestrator-presence"),
                    group.create_task(self._eraser.run(), name="orchestrator-eraser"),
                ]
                await self._takers.take_all(group, self._ownership.batches())
                for task in beside:
                    task.cancel()
        finally:
            self._alarms.close()
            await self._ownership.close()

    async def leave(self) -> None:
        """Commit what is being folded, take no more, and give the partitions back at once."""
        await self._takers.stop()
        await self._ownership.close()
        await self._bus.announce("orchestrator", self._name, 0.0)

    async def _take(self, batch: Batch) -> bool:
        """Fold and commit; return whether that came about."""
        lease = batch.lease
        try:
            if not batch.entries:
                await self._open_partition(lease)
                return True
            folded = self._fold(batch)
            await self._commit(lease, batch, folded)
        except Fenced:
            _log.warning("partition_lost", partition=lease.partition, epoch=lease.epoch)
            self._close_partition(lease.partition)
            return False
        except BusUnavailable as error:
            _log.warning("commit_uncertain", partition=lease.partition, error=str(error))
            self._close_partition(lease.partition)
            return False
        for outcome in folded:
            self._arm(outcome)
        await self._tell(lease, folded)
        return True

    async def _open_partition(self, lease: Lease) -> None:
        self._close_partition(lease.partition)
        conversations = self._conversations.setdefault(lease.partition, {})
        for session_id, blob in (await self._ownership.snapshots(lease)).items():
            record = SessionRecord.decode(blob)
            if record.erasing:  # whoever had it before did not come to it
                self._eraser.erase(record)
                continue
            conversations[session_id] = Conversation(record, self._policy, self._phrases)
            for name, due in record.context.timers.items():
                self._alarms.set(session_id, name, due)

    def _close_partition(self, partition: int) -> None:
        for session_id in self._conversations.pop(partition, {}):
            self._alarms.forget(session_id)

    def _fold(self, batch: Batch) -> list[Folded]:
        conversations = self._conversations.setdefault(batch.lease.partition, {})
        folded: list[Folded] = []
        for entry in batch.entries:
            envelope = entry.envelope
            if envelope is None:
                _log.warning("entry_unreadable", position=entry.position, error=entry.error)
                self._figures.count("unknown", "failed", 0.0)
                continue
            if self._eraser.takes(envelope):
                continue
            conversation = conversations.get(envelope.session_id)
            if conversation is None:
                record = SessionRecord(session_id=envelope.session_id)
                conversation = conversations[envelope.session_id] = Conversation(record, self._policy, self._phrases)
            try:
                folded.append(outcome := conversation.fold(entry, envelope))
                conversation.record.erasing = conversation.record.erasing or outcome.erase
            except Exception:  # noqa: BLE001 - one fact must not end all conversations, now and at every restart
                _log.exception("fact_not_folded", session=envelope.session_id, event_id=envelope.event_id)
                self._figures.count(envelope.event_type, "failed", 0.0)
                conversations[envelope.session_id] = Conversation(conversation.record, self._policy, self._phrases)
        return folded

    async def _commit(self, lease: Lease, batch: Batch, folded: list[Folded]) -> None:
        conversations = self._conversations[lease.partition]
        touched = {outcome.envelope.session_id for outcome in folded}
        over = self._long_over(lease.partition) - touched
        await self._ownership.commit(
            lease,
            Commit(
                upto=batch.entries[-1].position,
                snapshots={session_id: conversations[session_id].record.encode() for session_id in sorted(touched)}
                | dict.fromkeys(sorted(over), b""),
                tasks=[task for outcome in folded for task in outcome.tasks],
                commands=[command for outcome in folded for command in outcome.commands],
                journal=[msgspec.json.encode(outcome.record) for outcome in folded],
            ),
        )
        for session_id in over:
            conversations.pop(session_id, None)
            self._alarms.forget(session_id)

    def _long_over(self, partition: int) -> set[str]:
        """Return the sessions that nobody came to for so long that nothing of their log is kept; every now and then."""
        now = self._clock()
        if now - self._swept_at.get(partition, -math.inf) < SWEEP_S:
            return set()
        self._swept_at[partition] = now
        return {
            session_id
            for session_id, conversation in self._conversations[partition].items()
            if conversation.record.state.startswith("IDLE.")
            and not conversation.record.context.connected
            and conversation.record.context.now < now - self._retention_s
        }

    async def _tell(self, lease: Lease, folded: list[Folded]) -> None:
        """After the commit: count, mirror, and erase what was asked to be erased."""
        now = self._clock()
        view: list[Envelope] = []
        states: dict[str, tuple[str, float]] = {}
        for outcome in folded:
            envelope = outcome.envelope
            latency_s = max(0.0, now - envelope.timestamp)
            self._figures.count(envelope.event_type, outcome.status, latency_s)
            for effect in outcome.effects:
                if isinstance(effect, Speculated):
                    self._figures.count_guess(hit=effect.hit, worked_s=effect.worked_s)
            conversation = self._conversations.get(lease.partition, {}).get(envelope.session_id)
            if conversation is None or not self._mirrored:
                continue
            record = conversation.record
            view += [envelope, *derived_envelopes(record, envelope, outcome.effects)]
            view.append(_measured(record, envelope, latency_s))
            states[envelope.session_id] = (record.state.split(".")[0], record.context.now)
        if view:
            await self._bus.mirror(view, states)
        for outcome in folded:
            if outcome.erase:
                self._erase(lease, outcome.envelope.session_id)

    def _erase(self, lease: Lease, session_id: str) -> None:
        """Forget a conversation, and have all that is kept of it erased."""
        self._alarms.forget(session_id)
        if (conversation := self._conversations.get(lease.partition, {}).pop(session_id, None)) is not None:
            self._eraser.erase(conversation.record)

    def _arm(self, outcome: Folded) -> None:
        session_id = outcome.envelope.session_id
        for effect in outcome.effects:
            if isinstance(effect, StartTimer):
                self._alarms.set(session_id, effect.name, outcome.record.at + effect.delay_s)
            elif isinstance(effect, CancelTimer):
                self._alarms.cancel(session_id, effect.name)

    def _say(self, session_id: str, event: Event) -> None:
        record = self._find_record(session_id)
        metadata = dict(record.metadata) if record is not None else None
        # Unbounded on purpose: one alarm rings once, so it holds at most one entry per running timer.
        self._said.put_nowait(to_envelope(event, session_id, source=self._name, metadata=metadata))

    def _find_record(self, session_id: str) -> SessionRecord | None:
        found = (conversations.get(session_id) for conversations in self._conversations.values())
        return next((conversation.record for conversation in found if conversation is not None), None)

    async def _publish_said(self) -> None:
        while True:
            envelopes = [await self._said.get()]
            while not self._said.empty():
                envelopes.append(self._said.get_nowait())
            while True:
                try:
                    await self._bus.publish(*envelopes)
                    break
                except BusUnavailable:
                    await asyncio.sleep(0.05)

    async def _watch_gateways(self) -> None:
        """Announce ourselves; and say of clients whose gateway died that they are gone.

        A gateway is believed dead when it is missed twice in a row: all are, just after the bus itself stood still.
        """
        missed: set[str] = set()
        while True:
            try:
                await self._bus.announce("orchestrator", self._name, PRESENCE_S)
                alive = set(await self._bus.members("gateway"))
            except BusUnavailable:
                missed = set()
                await asyncio.sleep(PRESENCE_S / 4)
                continue
            self._forget_lost()
            orphans = [record for record in self._connected() if record.gateway not in alive]
            for record in orphans:
                if record.gateway in missed:
                    gone = derived_id(record.session_id, record.gateway, record.connects, "gone")
                    event = Disconnected(reason="its gateway is gone", timestamp=self._clock(), event_id=gone)
                    self._say(record.session_id, event)
            missed = {record.gateway for record in orphans}
            await asyncio.sleep(PRESENCE_S / 2)

    def _forget_lost(self) -> None:
        """Let go of partitions that others have by now: they keep time there, and watch over the clients."""
        held = {lease.partition for lease in self._ownership.leases}
        for partition in [partition for partition in self._conversations if partition not in held]:
            self._close_partition(partition)

    def _connected(self) -> list[SessionRecord]:
        """Return the sessions of which a client is there, as far as anybody knows."""
        all_of_them = (conversations.values() for conversations in self._conversations.values())
        records = (conversation.record for conversation in itertools.chain.from_iterable(all_of_them))
        return [record for record in records if record.context.connected]


def _measured(record: SessionRecord, envelope: Envelope, latency_s: float) -> Envelope:
    return Envelope(
        event_type="voice.metrics.event",
        session_id=record.session_id,
        payload={"event_type": envelope.event_type, "latency_ms": round(latency_s * 1000, 3)},
        event_id=derived_id(envelope.event_id, "metrics"),
        correlation_id=record.correlation_id,
        timestamp=envelope.timestamp + latency_s,
        source="orchestrator",
        turn=envelope.turn,
        metadata=record.metadata,
    )
