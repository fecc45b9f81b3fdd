"""Tells a run that went wrong, so that a person can follow it: who did what, when, and what became of each fact."""

from __future__ import annotations

import operator
from collections.abc import Iterator

from app.folding import JournalRecord
from app.history.checking import History, Violation
from app.simulation.faults import Line
from app.simulation.loop import EPOCH_S
from app.simulation.world import Outcome
from statecharts.effects import Drop
from statecharts.events import Envelope

__all__ = ["story_of"]

BEFORE_S = 2.5
"""What is told begins so long before what went wrong."""
AFTER_S = 0.3
MOST_LINES = 90
"""More than these nobody reads: the latest of them are kept."""


def story_of(outcome: Outcome, command: str) -> list[str]:
    """Return a run's story, line by line, trimmed to what led to the first violation.

    Args:
        outcome: Of the run.
        command: What runs it again.
    """
    first = outcome.violations[0]
    lines = [line for line in outcome.lines if line.what]
    lines += [line for history in outcome.histories if _tells(history, first) for line in _folds(history)]
    lines.sort(key=operator.attrgetter("at"))
    at = _moment(first)
    near = [line for line in lines if at is None or at - BEFORE_S <= line.at <= at + AFTER_S]
    shown = near[-MOST_LINES:]
    left_out = len(lines) - len(shown)
    return [
        f"seed {outcome.seed}: {first}",
        *(f"    and {violation}" for violation in outcome.violations[1:]),
        *([f"    ({left_out} lines before and after it left out)"] if left_out else []),
        *(f"{line.at:10.4f}  {line.who:<18} {line.what}" for line in shown),
        f"again: {command}",
    ]


def _tells(history: History, first: Violation) -> bool:
    return first.session_id in ("", history.session_id)


def _moment(violation: Violation) -> float | None:
    """Return the virtual time of the entry at which a violation shows."""
    return int(violation.position.split("-")[0]) / 1000 - EPOCH_S if violation.position else None


def _folds(history: History) -> Iterator[Line]:
    """Yield what became of each fact, at the time at which the log took it."""
    facts = history.facts
    for record in history.journal:
        at = int(record.position.split("-")[0]) / 1000 - EPOCH_S
        # The log counts milliseconds: its entry comes after what led to it.
        yield Line(at + 0.001, "log", _told(record, facts.get(record.position)))


def _told(record: JournalRecord, fact: Envelope | None) -> str:
    about = "" if fact is None else f" of {fact.source}"
    drop = next((effect for effect in record.effects if isinstance(effect, Drop)), None)
    if drop is not None:
        outcome = f"dropped: {drop.reason}"
    else:
        outcome = record.before if record.before == record.after else f"{record.before} -> {record.after}"
    return f"{record.position} {record.event_type.removeprefix('voice.')}{about}: {outcome}"
