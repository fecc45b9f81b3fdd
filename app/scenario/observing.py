"""What an observer saw of a run: from the journal, and from the player."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from app.folding import JournalRecord
from statecharts.effects import Drop, Speak, StateChanged, TurnBegan, TurnEnded

__all__ = ["Dropped", "Entry", "Observed", "observe"]

_DIGITS = 3
"""Milliseconds are told, not what adding floats leaves behind."""


class Entry(Struct, frozen=True):
    """One entry of the history: what was said, or what was heard of the answer."""

    role: str
    text: str
    interrupted: bool = False


class Dropped(Struct, frozen=True):
    """A fact that changed nothing, and why."""

    at: float
    event: str
    reason: str


class Observed(Struct, frozen=True, kw_only=True):
    """A run, as it was. Times are seconds since the call began."""

    states: list[tuple[float, str]]
    audible: list[tuple[float, float]]
    history: list[Entry]
    dropped: list[Dropped]
    turns: int


def observe(
    journal: Iterable[JournalRecord], audible: list[tuple[float, float]], zero: float, until: float
) -> Observed:
    """Return what was seen between two Unix times; `audible` counts from the first."""
    records = [record for record in journal if record.at <= until]
    told: dict[int, _Turn] = {}
    for record in records:
        _tell(record, told)
    kept = [told[turn] for turn in sorted(told) if not told[turn].withdrawn]
    return Observed(
        states=list(_states(records, zero)),
        audible=[(round(start, _DIGITS), round(end, _DIGITS)) for start, end in audible],
        history=[entry for turn in kept for entry in turn.entries()],
        dropped=[
            Dropped(round(record.at - zero, _DIGITS), effect.event_type, effect.reason)
            for record in records
            for effect in record.effects
            if isinstance(effect, Drop)
        ],
        turns=len(kept),
    )


class _Turn(Struct):
    user_text: str
    heard_text: str = ""
    interrupted: bool = False
    withdrawn: bool = False
    apologised: bool = False

    def entries(self) -> Iterator[Entry]:
        yield Entry("user", self.user_text)
        if self.heard_text and not self.apologised:
            yield Entry("assistant", self.heard_text, self.interrupted)


def _tell(record: JournalRecord, told: dict[int, _Turn]) -> None:
    for effect in record.effects:
        match effect:
            case TurnBegan():
                told[effect.turn] = _Turn(effect.text)
            case Speak(kind="apology") if effect.turn in told:
                told[effect.turn].apologised = True
            case TurnEnded(user_text=text) if text or effect.turn in told:
                turn = told.setdefault(effect.turn, _Turn(text))
                turn.heard_text, turn.interrupted = effect.heard_text, effect.interrupted
                turn.withdrawn = effect.withdrawn


def _states(records: Iterable[JournalRecord], zero: float) -> Iterator[tuple[float, str]]:
    before = "IDLE"
    for record in records:
        for effect in record.effects:
            if isinstance(effect, StateChanged) and effect.new_state != before:
                before = effect.new_state
                yield round(effect.timestamp - zero, _DIGITS), before
