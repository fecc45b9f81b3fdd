"""What became of a call: the history checker's verdict, what its caller was told, and what clients got."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from adapters.bus.port import EventBus
from app.chaos.call_story import CallStory
from app.folding import JournalRecord
from app.history.checking import check, endings
from app.history.records import History, Violation, acted_on, asked
from app.patience import patiently
from statecharts.effects import StateChanged
from statecharts.events import SttFinal

__all__ = ["Judged", "category", "judge"]

READING_TRIES = 100
"""A log of an hour, read for hundreds of calls, keeps its server busy: nobody waits for it any more."""
_LOST = (
    "no fact is lost", "nobody is left waiting", "clients miss nothing", "no request is left for ever",
    "typed text is a turn", "a caller is served",
)  # fmt: skip
_DOUBLED = ("a fact is folded once", "no fact is acted on twice", "clients get nothing twice")
"""Rules by what it means that they are broken."""


class Judged(Struct, kw_only=True):
    """One call."""

    session_id: str
    endings: dict[str, int]
    """How its turns ended."""
    facts: int
    wrong: list[Violation]
    history: History


def category(violation: Violation) -> str:
    """Return what kind of wrong it is: `lost`, `doubled`, or `violated`."""
    if violation.rule == "every turn ends once":
        return "lost" if "never" in violation.detail else "doubled"
    if violation.rule in _DOUBLED:
        return "doubled"
    return "lost" if violation.rule in _LOST else "violated"


async def judge(bus: EventBus, story: CallStory) -> Judged:
    """Read a call's history from the log and judge it."""
    entries = await patiently(lambda: bus.replay(story.session_id), READING_TRIES)
    journal = await patiently(lambda: bus.journal(story.session_id), READING_TRIES)
    history = History(
        session_id=story.session_id,
        entries=entries,
        journal=[msgspec.json.decode(data, type=JournalRecord) for data in journal],
        acknowledged=[said.event_id for said in story.said if said.acknowledged and said.event_id],
        finished=True,
    )
    wrong = [*check(history), *_said(history, story), *_shown(history, story)]
    wrong += [history.wrong("a caller is served", problem) for problem in story.problems]
    return Judged(
        session_id=story.session_id, endings=dict(Counter(ending.kind for ending in endings(history))),
        facts=len(entries), wrong=wrong, history=history,
    )  # fmt: skip


def _said(history: History, story: CallStory) -> Iterator[Violation]:
    """What was acknowledged is acted on, and no more often than it was said."""
    acted = Counter(
        (str(fact.payload.get("text")), fact.event_id if fact.source == "chaos" else "")
        for record in history.journal
        if acted_on(record)
        and (fact := history.facts.get(record.position)) is not None
        and fact.event_type == SttFinal.event_type
    )
    for said in story.said:
        count = acted[said.text, said.event_id]
        if said.acknowledged and not count:
            yield history.wrong("no fact is lost", f"{said.text!r} was acknowledged, and never acted on")
        if count > max(1, said.times):
            told = f"{said.text!r} was said {said.times} times, and acted on {count} times"
            yield history.wrong("no fact is acted on twice", told)


def _shown(history: History, story: CallStory) -> Iterator[Violation]:
    """Clients get what is for them in order and once; and all of it, where messages carry an id to go on from."""
    messages = [(got, got.message) for got in story.got]
    ids = [got.id for got, message in messages if got.id and message["type"] != "session"]
    for message_id, times in Counter(ids).items():
        if times > 1:
            yield history.wrong("clients get nothing twice", f"message {message_id} came {times} times")
    chunks = Counter(
        (got.connection, payload.get("turn"), payload.get("kind"), payload.get("seq"))
        for got, message in messages
        if message["type"] == "tts_chunk" and isinstance(payload := message.get("payload"), dict)
    )
    for (connection, turn, kind, seq), times in chunks.items():
        if times > 1:
            told = f"chunk {seq} of {kind} {turn} came {times} times over connection {connection}"
            yield history.wrong("clients get nothing twice", told)
    yield from _old_turns(history, story)
    due = [_mark(msgspec.to_builtins(change)) for change in _changes(history) if change.trigger != "connected"]
    seen = [
        _mark(payload)
        for _, message in messages
        if message["type"] == "orchestrator_state" and isinstance(payload := message.get("payload"), dict)
    ]
    yield from _compared(history, due, seen, whole=bool(ids) and story.over)


def _old_turns(history: History, story: CallStory) -> Iterator[Violation]:
    """Once a turn has begun, nothing of an earlier one is heard any more."""
    turn = 0
    for got in story.got:
        message = got.message
        payload = message.get("payload")
        if not isinstance(payload, dict):
            continue
        if message["type"] == "tts_chunk" and payload["turn"] < turn:
            told = f"audio of turn {payload['turn']} came in turn {turn}, over connection {got.connection}"
            yield history.wrong("no late result is acted on", told)
            return
        if message["type"] in ("session", "orchestrator_state"):
            turn = max(turn, int(payload["turn"]))


def _changes(history: History) -> list[StateChanged]:
    return [change for record in history.journal for change in asked(record, StateChanged)]


def _mark(change: dict[str, object]) -> tuple[object, ...]:
    return tuple(change.get(name) for name in ("timestamp", "old_state", "new_state", "substate", "trigger", "turn"))


def _compared(
    history: History, due: list[tuple[object, ...]], seen: list[tuple[object, ...]], *, whole: bool
) -> Iterator[Violation]:
    places = iter(enumerate(due))
    came = -1
    for mark in seen:
        before, came = came, next((place for place, wanted in places if wanted == mark), -1)
        if came < 0:
            yield history.wrong(
                "clients get everything in order", f"the state {mark} came twice, late, or from nowhere"
            )
            return
        if whole and came > before + 1:
            yield history.wrong("clients miss nothing", f"the states {due[before + 1 : came]} never came")
