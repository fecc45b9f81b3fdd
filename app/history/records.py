"""What is left of a session when all is over, and what may be found wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TypeVar

from msgspec import Struct

from adapters.bus.port import LogEntry
from app.folding import JournalRecord
from statecharts.effects import Drop
from statecharts.events import Envelope

__all__ = ["COPY", "Committed", "Ending", "Found", "History", "Obeyed", "Violation", "acted_on", "asked", "is_copy"]

_E = TypeVar("_E")

COPY = "seen before"
"""The reason with which the fold drops a second copy of a fact."""


class Violation(Struct, frozen=True, kw_only=True):
    """One rule that a history breaks, and where."""

    rule: str
    detail: str
    session_id: str = ""
    position: str = ""
    """The entry of the log at which it shows, if it shows at one."""

    def __str__(self) -> str:
        where = f" (entry {self.position})" if self.position else ""
        return f"{self.rule}: {self.detail}{where}"


Found = Iterator[Violation]


class Obeyed(Struct, frozen=True, kw_only=True):
    """One command that a gateway carried out for a session."""

    gateway: str
    call: str
    """Which of the gateway's calls: it may have held the session's call before, and have let it go."""
    epoch: int
    position: str
    """Of the fact that led to it."""
    effects: list[dict[str, object]]


class Committed(Struct, frozen=True, kw_only=True):
    """One commit that the bus made true."""

    partition: int
    owner: str
    epoch: int
    upto: str


class Ending(Struct, frozen=True):
    """How one turn of the caller's ended."""

    turn: int
    kind: str
    """`answered`, `apologised`, `interrupted`, `withdrawn`, `silent` (nothing was to be said, or nothing was heard)."""


class History(Struct, frozen=True, kw_only=True, dict=True):
    """All that is left of one session."""

    session_id: str
    entries: Sequence[LogEntry]
    """Its facts, in the order of the log, from the first one on."""
    journal: Sequence[JournalRecord]
    """What each led to, in the order of the commits."""
    acknowledged: Sequence[str] = ()
    """Ids of the facts whose publication was answered."""
    obeyed: Sequence[Obeyed] | None = None
    """What its gateways carried out, in the order of time; `None`: that was not recorded."""
    alive: frozenset[str] = frozenset()
    """The calls that gateways hold to the end: these must have got everything that was for them."""
    finished: bool = True
    """All has come to rest: what was begun must have ended."""

    @cached_property
    def facts(self) -> dict[str, Envelope]:
        """The facts by their position."""
        return {entry.position: entry.envelope for entry in self.entries if entry.envelope is not None}

    def wrong(self, rule: str, detail: str, position: str = "") -> Violation:
        """Return a violation of this session."""
        return Violation(rule=rule, detail=detail, session_id=self.session_id, position=position)


def acted_on(record: JournalRecord) -> bool:
    """Return whether a fact led to anything: a dropped one did not."""
    return not (record.effects and isinstance(record.effects[0], Drop))


def is_copy(record: JournalRecord) -> bool:
    """Return whether a fact was dropped as a second copy."""
    drop = record.effects[0] if record.effects else None
    return isinstance(drop, Drop) and drop.reason == COPY


def asked(record: JournalRecord, kind: type[_E]) -> list[_E]:
    """Return the effects of one kind."""
    return [effect for effect in record.effects if isinstance(effect, kind)]
