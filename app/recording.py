"""A call as its log tells it: the events in order with what they led to, and the turns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec import Struct

from adapters.bus.port import EventBus, LogEntry
from app.folding import JournalRecord, derived_envelopes
from app.session_record import SessionRecord
from statecharts.effects import Drop, Effect, Speak, Speculated, TurnBegan, TurnEnded
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
    telling = _Telling()
    for entry in entries:
        if entry.envelope is not None:
            telling.take(entry.envelope, records.get(entry.position))
    return [telling.views[turn] for turn in sorted(telling.views)]


class _Telling:
    """Makes turns of a log; what was guessed of a turn counts once it has begun."""

    def __init__(self) -> None:
        self.views: dict[int, TurnView] = {}
        self._voice_end = self._final_at = 0.0
        self._said: dict[int, list[str]] = {}
        self._marks: dict[int, dict[str, float]] = {}

    def take(self, envelope: Envelope, record: JournalRecord | None) -> None:
        """Take the next fact and what it did."""
        self._note_times(envelope)
        effects = record.effects if record else []
        self._note_stage(envelope, effects)
        for effect in effects:
            match effect:
                case TurnBegan():
                    self._begin(effect, envelope.timestamp)
                case Speculated(hit=False):
                    self._said.pop(effect.turn, None)
                    self._marks.pop(effect.turn, None)
                case Speak() if effect.text and effect.kind in ("answer", "apology"):
                    self._said.setdefault(effect.turn, []).append(effect.text)
                    if effect.turn in self.views:
                        self.views[effect.turn].answer_text = " ".join(self._said[effect.turn])
                case TurnEnded(user_text=text) if text or effect.turn in self.views:
                    self._end(effect)

    def _note_times(self, envelope: Envelope) -> None:
        ended_at = envelope.metadata.get("speech_ended_at")
        if envelope.event_type == "voice.vad.speech_stopped":
            self._voice_end = ended_at if isinstance(ended_at, float) else envelope.timestamp
        if envelope.event_type == "voice.stt.final":
            self._final_at = envelope.timestamp
            if envelope.payload.get("origin") == "typed" or not self._voice_end:
                self._voice_end = envelope.timestamp

    def _note_stage(self, envelope: Envelope, effects: Sequence[Effect]) -> None:
        stage = _STAGES.get(envelope.event_type)
        if stage is None or any(isinstance(effect, Drop) for effect in effects):
            return
        self._marks.setdefault(envelope.turn, {}).setdefault(stage, envelope.timestamp)
        self._show_stages(envelope.turn)

    def _begin(self, effect: TurnBegan, at: float) -> None:
        zero = self._voice_end or at
        self.views[effect.turn] = TurnView(
            turn=effect.turn, user_text=effect.text, started_at=zero,
            answer_text=" ".join(self._said.get(effect.turn, ())),
            stages={"end_of_turn": _since(zero, at), "final_text": _since(zero, self._final_at)},
        )  # fmt: skip
        self._show_stages(effect.turn)
        self._voice_end = 0.0

    def _show_stages(self, turn: int) -> None:
        if (view := self.views.get(turn)) is not None:
            for stage, at in self._marks.get(turn, {}).items():
                view.stages.setdefault(stage, _since(view.started_at, at))

    def _end(self, effect: TurnEnded) -> None:
        # One that was never begun: words that were known only when the session was over.
        unanswered = TurnView(turn=effect.turn, user_text=effect.user_text, started_at=self._voice_end)
        view = self.views.setdefault(effect.turn, unanswered)
        view.answer_text, view.heard_text = effect.answer_text, effect.heard_text
        view.interrupted, view.withdrawn = effect.interrupted, effect.withdrawn


def _since(zero: float, at: float) -> float:
    return round(max(0.0, at - zero), 4)


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
