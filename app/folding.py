"""One fact through one conversation: the new state, the effects, and how they travel.

Nothing here waits or sends; the orchestrator commits what comes out.
"""

from __future__ import annotations

import sys

import msgspec
from msgspec import Struct

from adapters.bus.port import Command, LogEntry
from app.chart_version import CHART
from app.rules import Rules, rules_of
from app.session_record import SessionRecord, derived_id
from statecharts.effects import (
    CancelFiller,
    CancelSpeech,
    CommitSpeech,
    Drop,
    Effect,
    EndSession,
    GuardEcho,
    Playout,
    RequestAnswer,
    RequestIntent,
    SetMicGate,
    ShowTranscript,
    Speak,
    StateChanged,
    Withdrawn,
)
from statecharts.events import (
    MOVED,
    Connected,
    Disconnected,
    Envelope,
    Event,
    InvalidEvent,
    SessionEnded,
    SessionStarted,
    to_event,
)
from statecharts.phrases import Phrases
from statecharts.policy import Policy
from statecharts.stepping import RunningChart, Snapshot

__all__ = ["FOR_THE_GATEWAY", "GATEWAY_NAMES", "Conversation", "Folded", "JournalRecord", "derived_envelopes"]

GATEWAY_NAMES = "gateway-"
"""How the names of gateways begin, as sources of facts."""

FOR_THE_GATEWAY = (
    StateChanged, Speak, CommitSpeech, CancelSpeech, CancelFiller, Playout, SetMicGate, GuardEcho,
    ShowTranscript, Withdrawn, EndSession,
)  # fmt: skip


class JournalRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one event did: enough to replay it and compare."""

    position: str
    session_id: str
    event_id: str
    event_type: str
    at: float
    """The event's time as the chart saw it, Unix seconds."""
    chart_version: str
    before: str
    after: str
    effects: list[Effect]
    rules: Rules | None = None
    """The rules from this event on; given with the first one, and where they changed."""


class Folded(Struct, kw_only=True):
    """The outcome of one event."""

    envelope: Envelope
    effects: list[Effect]
    record: JournalRecord
    tasks: list[tuple[str, Envelope]]
    commands: list[tuple[str, Command]]
    """Gateway and what it is to do."""
    erase: bool = False

    @property
    def status(self) -> str:
        """`accepted`, or `dropped` if the event changed nothing."""
        return "dropped" if self.effects and isinstance(self.effects[0], Drop) else "accepted"


class Conversation:
    """A session's record with its chart in running order."""

    __slots__ = ("_rules", "_rules_mark", "chart", "record")

    def __init__(self, record: SessionRecord, policy: Policy, phrases: Phrases) -> None:
        self.record = record
        self._rules, self._rules_mark = rules_of(policy, phrases)
        self.chart = RunningChart(policy, phrases, Snapshot(record.state, record.context))
        record.context = self.chart.context  # one copy of it is enough

    def fold(self, entry: LogEntry, envelope: Envelope) -> Folded:
        """Take one fact of the log.

        Args:
            entry: Where it stands.
            envelope: The fact; invalid ones and copies become a `Drop`.
        """
        record = self.record
        gateway_before = record.gateway
        stale = self._is_of_another_gateway(envelope)
        self._remember(envelope)
        before = self.chart.path
        # Never back within a session: timers are armed by this time, and the chart counts with its latest.
        at = max(_sane_time(envelope.timestamp, entry.position), record.context.now)
        # What belongs to the session goes into every envelope, whoever published it.
        envelope = msgspec.structs.replace(envelope, timestamp=at, metadata={**record.metadata, **envelope.metadata})
        event, effects = _refused(envelope) if stale else self._step(envelope)
        record.state, record.context = self.chart.path, self.chart.context
        record.last_event = sys.intern(envelope.event_type)
        rules = self._rules if record.rules != self._rules_mark else None
        record.rules = self._rules_mark
        return Folded(
            envelope=envelope,
            effects=effects,
            record=JournalRecord(
                position=entry.position, session_id=record.session_id, event_id=envelope.event_id,
                event_type=envelope.event_type, at=at, chart_version=CHART, before=before,
                after=record.state, effects=effects, rules=rules,
            ),
            tasks=[task for index, effect in enumerate(effects) if (task := self._task(effect, envelope, index))],
            commands=self._commands(entry.position, envelope, event, effects, gateway_before),
            erase=isinstance(event, SessionEnded) and event.reason == "deleted",
        )  # fmt: skip

    def _is_of_another_gateway(self, envelope: Envelope) -> bool:
        """Whether a gateway says so that does not hold the call any more: it was frozen, or cut off, and cannot know.

        One that is about to hold it says two things: that the client is gone from where it was, and that it is there.
        """
        holder, source = self.record.gateway, envelope.source
        if not holder or source == holder or not source.startswith(GATEWAY_NAMES):
            return False
        if envelope.event_type == Disconnected.event_type:
            return envelope.payload.get("reason") != MOVED
        if envelope.event_type == Connected.event_type:
            return bool(envelope.payload.get("still"))  # by now it is elsewhere
        return envelope.event_type != SessionStarted.event_type

    def _commands(
        self, position: str, cause: Envelope, event: Event | None, effects: list[Effect], gateway_before: str
    ) -> list[tuple[str, Command]]:
        """Return what the gateway has to do, and the one from which the call has moved to it."""
        record = self.record
        asked = [self._welcome(cause)] if isinstance(event, Connected) else []
        asked += [msgspec.to_builtins(effect) for effect in effects if isinstance(effect, FOR_THE_GATEWAY)]
        if isinstance(event, Disconnected) and cause.source != record.gateway and event.reason != MOVED:
            asked.append({"effect": "TakenForGone"})
        commands = [(record.gateway, asked)] if asked and record.gateway else []
        if gateway_before and gateway_before != record.gateway:
            commands.append((gateway_before, [{"effect": "TakenOver"}]))
        return [
            (
                gateway,
                Command(session_id=record.session_id, event_id=cause.event_id, position=position, effects=effects),
            )
            for gateway, effects in commands
        ]

    def _step(self, envelope: Envelope) -> tuple[Event | None, list[Effect]]:
        """Give a fact to the chart; an invalid one and a copy change nothing."""
        try:
            event = to_event(envelope)
        except InvalidEvent as error:
            return None, [Drop(envelope.event_id, envelope.event_type, str(error))]
        if self.record.is_copy(envelope.event_id):
            return event, [Drop(envelope.event_id, envelope.event_type, "seen before")]
        if isinstance(event, Connected):
            self.record.gateway = sys.intern(envelope.source)
            self.record.connects += 1
        return event, self.chart.step(event)

    def _remember(self, envelope: Envelope) -> None:
        record = self.record
        is_first = not record.created_at
        record.created_at = record.created_at or envelope.timestamp
        record.correlation_id = record.correlation_id or envelope.correlation_id or record.session_id
        for key, value in envelope.metadata.items() if is_first else ():
            if key not in ("speech_ended_at", "epoch"):  # these belong to one event, not to the session
                record.metadata.setdefault(key, value)
        if "trace_id" not in record.metadata:
            record.metadata["trace_id"] = derived_id(record.session_id, "trace").replace("-", "")

    def _welcome(self, envelope: Envelope) -> dict[str, object]:
        """Tell the gateway where the conversation stands, in answer to its connect, and what it is to say on."""
        context = self.chart.context
        welcome = {
            "effect": "Welcome",
            "event_id": envelope.event_id,
            "state": self.chart.state,
            "substate": self.chart.substate,
            "turn": context.turn,
        }
        if context.speech is not None:
            welcome["speech"] = msgspec.to_builtins(context.speech)
            welcome["played_s"] = round(context.speech.estimate_s(context.now), 3)
        return welcome

    def _task(self, effect: Effect, cause: Envelope, index: int) -> tuple[str, Envelope] | None:
        match effect:
            case RequestIntent():
                kind = "intent"
            case RequestAnswer():
                kind = "rag"
            case _:
                return None
        return kind, _outcome(self.record, cause, index, effect, f"voice.{kind}.request", effect.turn)


def _refused(envelope: Envelope) -> tuple[None, list[Effect]]:
    reason = "its gateway does not hold this call any more"
    return None, [Drop(envelope.event_id, envelope.event_type, reason)]


def _sane_time(timestamp: float, position: str) -> float:
    """Return the event's time; one that lies after the log's own clock (an outsider's mistake) is that clock's.

    Redis numbers entries by its clock in milliseconds (XADD), so that the outcome is the same at every replay.
    """
    stamp = position.split("-")[0]
    logged = int(stamp) / 1000 if stamp.isdigit() and len(stamp) > 10 else 0.0
    if logged and not 0 < timestamp <= logged + 1.0:
        return logged
    return timestamp


def _outcome(
    record: SessionRecord, cause: Envelope, index: int, effect: Effect, event_type: str, turn: int
) -> Envelope:
    fields = msgspec.to_builtins(effect)
    turn = fields.pop("turn", turn)
    for name in ("effect", "timestamp", "gate"):
        fields.pop(name, None)
    return Envelope(
        event_type=event_type,
        session_id=record.session_id,
        payload=fields,
        event_id=derived_id(cause.event_id or record.session_id, index, event_type),
        correlation_id=record.correlation_id,
        timestamp=cause.timestamp,
        source="orchestrator",
        turn=turn,
        metadata=record.metadata,
    )


def derived_envelopes(record: SessionRecord, cause: Envelope, effects: list[Effect]) -> list[Envelope]:
    """Return what the orchestrator says of its own doing about one event, as envelopes."""
    derived: list[Envelope] = []
    turn = cause.turn
    for index, effect in enumerate(effects):
        match effect:
            case StateChanged():
                kind = "voice.orchestrator.state"
                turn = effect.turn
            case Drop():
                kind = "voice.orchestrator.drop"
            case RequestIntent():
                kind = "voice.intent.request"
            case RequestAnswer():
                kind = "voice.rag.request"
            case Speak():
                kind = "voice.tts.request"
            case CancelSpeech() | CancelFiller():
                kind = "voice.tts.cancel"
            case SetMicGate():
                kind = f"voice.unified_fastrtc.gate_{'off' if effect.gate == 'open' else 'on'}"
            case _:
                continue
        derived.append(_outcome(record, cause, index, effect, kind, turn))
    return derived
