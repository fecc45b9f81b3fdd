"""A call as its log tells it: the events in order with what they led to, and the turns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec import Struct

from adapters.bus.port import EventBus, LogEntry
from app.folding import JournalRecord, derived_envelopes
from app.session_record import SessionRecord
from statecharts.effects import RequestAnswer, Speak, TurnEnded
from statecharts.events import Envelope

__all__ = ["TurnView", "logged_events", "turns"]

_POSITION = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18}))?(?:\.([0-9]{1,6}))?")
"""Where a fact lies in the log, and which of the outcomes behind it is meant."""

_STAGES = {
    "voice.intent.detected": "intent",
    "voice.rag.answer_ready": "first_answer",
    "voice.tts.chunk_ready": "first_audio",
    "voice.webrtc.playback_started": "playback_started",
}


class TurnView(Struct, kw_only=True):
    """One turn of a conversation, as CONTRACT shows it."""

    turn: int
    user_text: str
    answer_text: str = ""
    heard_text: str = ""
    interrupted: bool = False
    withdrawn: bool = False
    started_at: float = 0.0
    stages: dict[str, float] = {}
    """Seconds from the true end of the caller's speech (from the arrival of typed text)."""


async def logged_events(bus: EventBus, session_id: str, after: str = "") -> list[dict[str, object]]:
    """Return the session's log in order: each fact, and behind it what the orchestrator made of it.

    Args:
        bus: Where the log is.
        session_id: Whose.
        after: A position, such as an `id` this function gave: what follows it is returned.

    Raises:
        ValueError: `after` is no position.
    """
    records = _by_position(await bus.journal(session_id))
    listed = list(_listed(await bus.replay(session_id), records, await _record(bus, session_id)))
    if not after:
        return listed
    seen = _place(after)
    return [item for item in listed if _place(str(item["id"])) > seen]


async def turns(bus: EventBus, session_id: str) -> list[TurnView]:
    """Return the session's turns, the running one included."""
    entries = await bus.replay(session_id)
    records = _by_position(await bus.journal(session_id))
    views: dict[int, TurnView] = {}
    began: dict[int, float] = {}
    voice_end = final_at = 0.0
    for entry in entries:
        record, envelope = records.get(entry.position), entry.envelope
        if envelope is None:
            continue
        ended_at = envelope.metadata.get("speech_ended_at")
        if envelope.event_type == "voice.vad.speech_stopped":
            voice_end = ended_at if isinstance(ended_at, float) else envelope.timestamp
        if envelope.event_type == "voice.stt.final":
            final_at = envelope.timestamp
            if envelope.payload.get("origin") == "typed" or not voice_end:
                voice_end = envelope.timestamp
        for effect in record.effects if record else ():
            match effect:
                case RequestAnswer():
                    zero = voice_end or envelope.timestamp
                    began[effect.turn] = zero
                    views[effect.turn] = TurnView(
                        turn=effect.turn, user_text=effect.text, started_at=zero,
                        stages={"end_of_turn": round(envelope.timestamp - zero, 4),
                                "final_text": round(max(0.0, final_at - zero), 4)},
                    )  # fmt: skip
                    voice_end = 0.0
                case Speak() if effect.turn in views and effect.text and effect.kind in ("answer", "apology"):
                    view = views[effect.turn]
                    view.answer_text = f"{view.answer_text} {effect.text}".strip()
                case TurnEnded(user_text=text) if text or effect.turn in views:
                    # One that was never begun: words that were known only when the session was over.
                    view = views.setdefault(
                        effect.turn, TurnView(turn=effect.turn, user_text=text, started_at=voice_end)
                    )
                    view.answer_text, view.heard_text = effect.answer_text, effect.heard_text
                    view.interrupted, view.withdrawn = effect.interrupted, effect.withdrawn
        _note_stage(envelope, record, views, began)
    return [views[turn] for turn in sorted(views)]


def _note_stage(
    envelope: Envelope, record: JournalRecord | None, views: dict[int, TurnView], began: dict[int, float]
) -> None:
    stage = _STAGES.get(envelope.event_type)
    turn = envelope.turn
    if stage is None or turn not in views or record is None:
        return
    if any(type(effect).__name__ == "Drop" for effect in record.effects):
        return
    views[turn].stages.setdefault(stage, round(max(0.0, envelope.timestamp - began[turn]), 4))


def _place(position: str) -> tuple[int, ...]:
    match = _POSITION.fullmatch(position)
    if match is None:
        raise ValueError(f"{position!r} is no position in the log; take the `id` of one of its events")
    return tuple(int(number or 0) for number in match.groups())


def _by_position(journal: Sequence[bytes]) -> dict[str, JournalRecord]:
    records = (msgspec.json.decode(data, type=JournalRecord) for data in journal)
    return {record.position: record for record in records}


async def _record(bus: EventBus, session_id: str) -> SessionRecord:
    blob = await bus.snapshot(session_id)
    return SessionRecord.decode(blob) if blob else SessionRecord(session_id=session_id)


def _listed(
    entries: Iterable[LogEntry], records: dict[str, JournalRecord], session: SessionRecord
) -> Iterator[dict[str, object]]:
    for entry in entries:
        if entry.envelope is None:
            continue
        fact = msgspec.to_builtins(entry.envelope)
        yield {"id": entry.position, **fact, "metadata": {**session.metadata, **entry.envelope.metadata}}
        record = records.get(entry.position)
        derived = derived_envelopes(session, entry.envelope, record.effects) if record else []
        for number, envelope in enumerate(derived, 1):
            yield {"id": f"{entry.position}.{number}", **msgspec.to_builtins(envelope)}
