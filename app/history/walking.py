"""Whether the states of a journal are a path of the chart."""

from __future__ import annotations

from functools import cache

from app.folding import JournalRecord
from app.history.records import Found, History, acted_on, asked
from statecharts.effects import StateChanged
from statecharts.events import Envelope, InvalidEvent, to_event
from statecharts.stepping import TABLE, chart_event

__all__ = ["follows_the_chart"]

_RAISED = ("stt_final", "committed", "speech_started")
"""What actions of the chart let be judged in the same step."""


def follows_the_chart(history: History) -> Found:
    """Each record begins where the one before it ended, and every change of state in it is a declared edge."""
    at, now = TABLE.declaration.start, 0.0
    for record in history.journal:
        if record.before != at:
            yield history.wrong(
                "states are a path", f"{record.event_type} was folded in {record.before}, not in {at}", record.position
            )
        if acted_on(record) and record.at < now:
            yield history.wrong("time never goes back", f"{record.at} follows {now}", record.position)
        if complaint := _broken(record, history.facts.get(record.position)):
            yield history.wrong("states are a path", complaint, record.position)
        # A second copy of a fact is as old as it is; nothing is counted from it.
        at, now = record.after, record.at if acted_on(record) else now


def _broken(record: JournalRecord, fact: Envelope | None) -> str:
    """Return why the chart has no such step, or nothing."""
    at, changes = record.before, asked(record, StateChanged)
    event = _event(fact) if changes else ""
    for change in changes:
        target = f"{change.new_state}.{change.substate}"
        events = _steps().get((at, change.trigger, target))
        if events is None:
            return f"no edge {change.trigger} leads from {at} to {target}"
        if event and not events & {event, *_RAISED}:
            return f"the edge {change.trigger} from {at} to {target} is not taken on {event}"
        at = target
    return "" if at == record.after else f"its changes lead from {record.before} to {at}, the record to {record.after}"


def _event(fact: Envelope | None) -> str:
    try:
        return "" if fact is None else chart_event(to_event(fact))
    except InvalidEvent:
        return ""


@cache
def _steps() -> dict[tuple[str, str, str], frozenset[str]]:
    """Return, for each leaf, trigger and leaf it leads to, the events on which it is taken."""
    steps: dict[tuple[str, str, str], frozenset[str]] = {}
    for leaf in TABLE.declaration.leaves:
        for event in TABLE.declaration.events:
            for row in TABLE.candidates(leaf, event):
                key = (leaf, row.edge.trigger, row.target or leaf)
                steps[key] = steps.get(key, frozenset()) | {event}
    return steps
