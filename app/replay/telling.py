"""Facts and times in one line each, for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

import msgspec

from app.replay.call_log import LoggedFact
from statecharts.events import EVENT_TYPES
from statecharts.table import Edge

__all__ = ["brief", "event_line", "fact_time", "fields", "short", "told_edges", "way"]

_WIDTH = 100
_TELLING = ("text", "name", "intent", "reason", "error")
"""The fields of which one says what a fact is about."""


def event_line(fact: LoggedFact, started_at: float, before: str = "", after: str = "") -> str:
    """Return a fact in one line: seconds since the call began, type, what it brought, and where it led."""
    line = f"{fact_time(fact) - started_at:9.3f}  {brief(fact)}"
    if before:
        line += f"  {before} → {after}" if before != after else f"  {before}"
    return line


def brief(fact: LoggedFact) -> str:
    """Return a fact's type, turn and what it brought beyond the usual."""
    usual = _defaults(fact.event_type)
    told = [fact.event_type.removeprefix("voice.")]
    if fact.turn:
        told.append(f"turn {fact.turn}")
    if payload := fields({name: value for name, value in fact.payload.items() if value != usual.get(name)}):
        told.append(payload)
    return " ".join(told)


def short(fact: LoggedFact) -> str:
    """Return a fact's type and the one thing it is about."""
    about = next((fact.payload[name] for name in _TELLING if fact.payload.get(name)), "")
    kind = fact.event_type.removeprefix("voice.")
    return f"{kind} {_value(about)}" if about else kind


def way(edge: Edge) -> str:
    """Return from where to where an edge leads."""
    return f"{edge.source} → {edge.target}" if edge.target else f"{edge.trigger} within {edge.source}"


def fact_time(fact: LoggedFact) -> float:
    """Return when a fact happened, as the chart saw it if that is known, Unix seconds."""
    return fact.outcome.at if fact.outcome is not None else fact.timestamp


def told_edges(edges: Iterable[Edge]) -> list[str]:
    """Return edges as text."""
    return [str(edge) for edge in edges]


def fields(values: Mapping[str, object]) -> str:
    """Return names and values, cut where they are long."""
    text = ", ".join(f"{name}={_value(value)}" for name, value in values.items())
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.13g}" if value > 1e6 else f"{value:.4g}"  # a time, or a length
    return msgspec.json.encode(value).decode()


@cache
def _defaults(event_type: str) -> dict[str, object]:
    cls = EVENT_TYPES.get(event_type)
    return {} if cls is None else {field.name: field.default for field in msgspec.structs.fields(cls)}
