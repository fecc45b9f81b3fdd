"""A call's log as one value and one file: every fact in order, and what it did.

The file is JSON Lines: a head, then one line a fact. It is what `GET /sessions/{id}/log` gives, what `freeze` writes
and what `replay` reads; a saved answer of `GET /sessions/{id}/events` is read too, though it tells less of what was
done. Only what a replay needs is in it: no audio, no metadata of the caller's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec
from msgspec import Struct

from adapters.bus.port import EventBus, LogEntry
from app.rules import Rules
from statecharts.events import EVENT_TYPES, Envelope, VoicechartError

__all__ = ["BadLog", "CallLog", "LoggedFact", "Outcome", "decode_log", "encode_log", "read_log"]

_Decoded = TypeVar("_Decoded")

FORMAT = 1
"""Of the file; a later one that reads differently gets the next number."""


class BadLog(VoicechartError):
    """A file that is no log of a call, or not a whole one; the message says where and what to do."""


class Outcome(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the orchestrator made of one fact."""

    at: float
    """The fact's time as the chart saw it, Unix seconds."""
    before: str
    after: str
    effects: list[dict[str, object]]
    """As they were written, whichever version wrote them."""
    chart_version: str = ""
    """Empty: the log's."""
    rules: Rules | None = None


class LoggedFact(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fact, and what became of it."""

    position: str
    event_type: str
    event_id: str = ""
    timestamp: float = 0.0
    turn: int = 0
    payload: dict[str, object] = {}
    source: str = ""
    outcome: Outcome | None = None
    """None: nobody has folded it, or this file does not say."""
    derived: list[dict[str, object]] | None = None
    """What the orchestrator said of it, `event_type` and `payload`: in place of the outcome, from `GET …/events`."""

    def envelope(self, session_id: str) -> Envelope:
        """Return the fact as it travelled."""
        return Envelope(
            event_type=self.event_type, session_id=session_id, payload=self.payload, event_id=self.event_id,
            timestamp=self.timestamp, source=self.source, turn=self.turn,
        )  # fmt: skip


class _Head(Struct, frozen=True, kw_only=True):
    voicechart_log: int
    session_id: str
    chart_version: str
    title: str = ""


class CallLog(Struct, frozen=True, kw_only=True):
    """One call."""

    name: str
    """Where it came from, for people."""
    session_id: str
    chart_version: str
    """The chart that took the first fact; empty if the log does not say."""
    facts: list[LoggedFact]
    title: str = ""

    @property
    def started_at(self) -> float:
        """When the first fact was taken, Unix seconds."""
        if not self.facts:
            return 0.0
        first = self.facts[0]
        return first.outcome.at if first.outcome is not None else first.timestamp

    @property
    def chart_versions(self) -> list[str]:
        """Every chart that took part in it, in order."""
        told = [self.chart_version, *(fact.outcome.chart_version for fact in self.facts if fact.outcome is not None)]
        return list(dict.fromkeys(version for version in told if version))


class _Journalled(Struct, frozen=True, kw_only=True):
    """A journal record of any version."""

    position: str
    at: float
    chart_version: str
    before: str
    after: str
    effects: list[dict[str, object]]
    rules: Rules | None = None


async def read_log(bus: EventBus, session_id: str, name: str) -> CallLog | None:
    """Return the log of a session; None if there is none."""
    entries = await bus.replay(session_id)
    records = {}
    for data in await bus.journal(session_id):
        record = msgspec.json.decode(data, type=_Journalled)
        records[record.position] = record
    facts = [_of_entry(entry, records.get(entry.position)) for entry in entries if entry.envelope is not None]
    if not facts:
        return None
    first = records.get(facts[0].position)
    version = first.chart_version if first is not None else ""
    return CallLog(name=name, session_id=session_id, chart_version=version, facts=_without_version(facts, version))


def _of_entry(entry: LogEntry, record: _Journalled | None) -> LoggedFact:
    envelope = entry.envelope
    assert envelope is not None
    outcome = None
    if record is not None:
        outcome = Outcome(
            at=record.at, before=record.before, after=record.after, effects=record.effects,
            chart_version=record.chart_version, rules=record.rules,
        )  # fmt: skip
    return LoggedFact(
        position=entry.position, event_type=envelope.event_type, event_id=envelope.event_id,
        timestamp=envelope.timestamp, turn=envelope.turn, payload=envelope.payload, source=envelope.source,
        outcome=outcome,
    )  # fmt: skip


def _without_version(facts: list[LoggedFact], version: str) -> list[LoggedFact]:
    return [
        msgspec.structs.replace(fact, outcome=msgspec.structs.replace(fact.outcome, chart_version=""))
        if fact.outcome is not None and fact.outcome.chart_version == version
        else fact
        for fact in facts
    ]


def encode_log(log: CallLog) -> bytes:
    """Return a log as its file holds it."""
    head = _Head(
        voicechart_log=FORMAT, session_id=log.session_id, chart_version=log.chart_version, title=log.title
    )  # fmt: skip
    return b"".join(msgspec.json.encode(line) + b"\n" for line in (head, *log.facts))


def decode_log(data: bytes, name: str) -> CallLog:
    """Return the log in a file.

    Raises:
        BadLog: It holds something else; the message says in which line.
    """
    lines = [(number, line) for number, line in enumerate(data.splitlines(), 1) if line.strip()]
    if not lines:
        raise BadLog(f"{name} is empty. `./run freeze SESSION --out FILE` writes the log of a call.")
    head = _line(lines[0][1], dict[str, object], name, 1) if lines[0][1].lstrip()[:1] != b"[" else {}
    if "voicechart_log" not in head:
        return _of_events(data, lines, name)
    told = _line(lines[0][1], _Head, name, lines[0][0])
    if told.voicechart_log != FORMAT:
        raise BadLog(f"{name} is a log of format {told.voicechart_log}; this version reads format {FORMAT}.")
    facts = [_line(line, LoggedFact, name, number) for number, line in lines[1:]]
    for (number, _), fact in zip(lines[1:], facts, strict=True):
        _assert_known(fact, f"{name}, line {number}")
    return CallLog(
        name=name, session_id=told.session_id, chart_version=told.chart_version, facts=facts, title=told.title
    )


class _Item(Struct, frozen=True, kw_only=True):
    """An element of `GET /sessions/{id}/events`."""

    id: str
    event_type: str
    session_id: str
    event_id: str = ""
    timestamp: float = 0.0
    turn: int = 0
    payload: dict[str, object] = {}
    source: str = ""


def _of_events(data: bytes, lines: Sequence[tuple[int, bytes]], name: str) -> CallLog:
    if data.lstrip()[:1] == b"[":
        items = _line(data, list[_Item], name, 0)
    else:
        items = [_line(line, _Item, name, number) for number, line in lines]
    if not items:
        raise BadLog(f"{name} holds no event. `./run freeze SESSION --out FILE` writes the log of a call.")
    sessions = {item.session_id for item in items}
    if len(sessions) > 1:
        raise BadLog(f"{name} holds events of {len(sessions)} sessions; a log is of one. Split it by `session_id`.")
    facts = list(_with_derived(items))
    for number, fact in enumerate(facts, 1):
        _assert_known(fact, f"{name}, fact {number}")
    return CallLog(name=name, session_id=sessions.pop(), chart_version="", facts=facts)


def _with_derived(items: Sequence[_Item]) -> Iterator[LoggedFact]:
    derived: dict[str, list[dict[str, object]]] = {}
    for item in items:
        if "." in item.id:
            told: dict[str, object] = {"event_type": item.event_type, "payload": item.payload}
            derived.setdefault(item.id.split(".")[0], []).append(told)
    for item in items:
        if "." not in item.id:
            yield LoggedFact(
                position=item.id, event_type=item.event_type, event_id=item.event_id, timestamp=item.timestamp,
                turn=item.turn, payload=item.payload, source=item.source, derived=derived.get(item.id, []),
            )  # fmt: skip


def _line(data: bytes, kind: type[_Decoded], name: str, number: int) -> _Decoded:
    where = f"{name}, line {number}" if number else name
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadLog(
            f"{where} cannot be read: {error}. A log is JSON Lines as `./run freeze` or GET /sessions/{{id}}/events "
            "writes them; repair the line, or write the log again."
        ) from error


def _assert_known(fact: LoggedFact, where: str) -> None:
    """Refuse a fact that no chart takes, unless it was refused when it happened."""
    if fact.event_type in EVENT_TYPES:
        return
    effects = fact.outcome.effects if fact.outcome is not None else []
    types = [effect.get("effect") for effect in effects] + [item["event_type"] for item in fact.derived or ()]
    if types[:1] not in (["Drop"], ["voice.orchestrator.drop"]):
        raise BadLog(
            f"{where}: the event type {fact.event_type!r} is unknown; known are {', '.join(sorted(EVENT_TYPES))}. "
            "Correct the line, or replay it with the version that knows it."
        )
