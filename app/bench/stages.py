"""Where the time of a turn goes: what the log says of it, on the caller's clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import msgspec

from app.replay.call_log import CallLog, LoggedFact
from app.replay.refold import rules_of
from statecharts.phrases import Phrases
from statecharts.policy import Policy

__all__ = ["STEPS", "Steps", "steps_of"]

STEPS = {
    "detector": "the detector still hears a voice",
    "silence": "silence, until it counts",
    "recogniser": "words recognised",
    "end_of_turn": "waited: is the turn over?",
    "intent": "intent found",
    "retrieval": "first sentence found",
    "voice": "first sound made",
    "delivery": "sent and received",
}
"""What happens between the true end of the speech and the first answer audio, some of it at the same time."""

Steps: TypeAlias = dict[str, tuple[float, float]]
"""When each of `STEPS` began and ended, in seconds from the true end of the speech."""


def steps_of(log: CallLog, true_end: float, received_s: float) -> Steps:
    """Return the steps of a call's last turn that was not taken back; those that the log does not tell are missing.

    Args:
        log: The call.
        true_end: When the caller's speech truly ended, Unix seconds on the clock of the server's machine.
        received_s: When the first answer audio was received, in seconds from then.

    Raises:
        BadLog: The rules in it cannot be read.
    """
    turn, began = _last_turn(log.facts)
    if began is None:
        return {}
    ahead_s = rules_of(log, (Policy(), Phrases()))[0].recognise_ahead_s
    told = dict(_moments(log.facts, began, turn))
    if "noticed" in told:
        told["begun"] = told["voice_end"] + ahead_s if ahead_s else told["noticed"]
    told["true_end"], told["received"] = true_end, true_end + received_s
    spans = {
        "detector": ("true_end", "voice_end"), "silence": ("voice_end", "noticed"), "recogniser": ("begun", "words"),
        "end_of_turn": ("noticed", "turn"), "intent": ("asked", "intent"), "retrieval": ("asked", "sentence"),
        "voice": ("to_say", "sent"), "delivery": ("sent", "received"),
    }  # fmt: skip
    return {
        step: (round(told[first] - true_end, 4), round(told[last] - true_end, 4))
        for step, (first, last) in spans.items()
        if first in told and last in told
    }


def _last_turn(facts: Sequence[LoggedFact]) -> tuple[int, int | None]:
    """Return the turn, and the number of the fact that began it."""
    began = {effect["turn"]: number for number, effect in _effects(facts) if effect["effect"] == "TurnBegan"}
    gone = {effect["turn"] for _, effect in _effects(facts) if effect["effect"] == "Withdrawn"}
    kept = [turn for turn in began if isinstance(turn, int) and turn not in gone]
    return (max(kept), began[max(kept)]) if kept else (0, None)


def _moments(facts: Sequence[LoggedFact], began: int, turn: int) -> Iterator[tuple[str, float]]:
    """Yield what is told of a turn, in Unix seconds; a later moment of the same name is the one that counts."""
    yield "turn", facts[began].timestamp
    for fact in facts[: began + 1]:
        silence_s = fact.payload.get("silence_s")
        if fact.event_type == "voice.vad.speech_stopped" and isinstance(silence_s, float):
            yield "voice_end", fact.timestamp - silence_s
            yield "noticed", fact.timestamp
        elif fact.event_type == "voice.stt.final":
            yield "words", fact.timestamp
    requests: dict[object, object] = {}
    asked_to_say: dict[object, float] = {}
    for number, effect in _effects(facts):
        if effect.get("turn") != turn:
            continue
        if effect["effect"] in ("RequestIntent", "RequestAnswer"):
            # The answer that was heard is the one asked for last: earlier guesses were dropped.
            requests[effect["effect"]] = effect["request_id"]
            yield "asked", facts[number].timestamp
        elif effect["effect"] == "Speak":
            asked_to_say[effect["request_id"]] = facts[number].timestamp
    yield from _first(facts, "intent", "voice.intent.detected", requests.get("RequestIntent"))
    yield from _first(facts, "sentence", "voice.rag.answer_ready", requests.get("RequestAnswer"))
    sent = next((fact for fact in facts if fact.event_type == "voice.tts.chunk_ready" and fact.turn == turn), None)
    if sent is not None and (asked_at := asked_to_say.get(sent.payload.get("request_id"))) is not None:
        yield "to_say", asked_at
        yield "sent", sent.timestamp


def _first(facts: Sequence[LoggedFact], name: str, event_type: str, request: object) -> Iterator[tuple[str, float]]:
    for fact in facts:
        if fact.event_type == event_type and fact.payload.get("request_id") == request:
            yield name, fact.timestamp
            return


def _effects(facts: Sequence[LoggedFact]) -> Iterator[tuple[int, dict[str, object]]]:
    for number, fact in enumerate(facts):
        for effect in fact.outcome.effects if fact.outcome is not None else ():
            yield number, msgspec.to_builtins(effect)
