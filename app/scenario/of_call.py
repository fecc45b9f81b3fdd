"""A recorded call as a scenario: what the caller did, how fast the models were, and what was seen of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from app.dialogue.reading import DELIVERED, read_phrases
from app.folding import Folded
from app.replay.call_log import BadLog, CallLog
from app.replay.known import Known, event_of, is_of_caller
from app.replay.refold import refold, rules_of
from app.scenario.answers_of_call import answers_of
from app.scenario.caller_of_call import acts_of
from app.scenario.format import Expectation, HistoryEntry, PolicyTable, Scenario, Speaker
from app.scenario.observing import Entry, observe
from statecharts.effects import CancelFiller, CancelSpeech, Playout, StateChanged
from statecharts.events import (
    BargeIn,
    Connected,
    Disconnected,
    Event,
    IntentFailed,
    MicDenied,
    MicMuted,
    MicUnmuted,
    PlaybackDone,
    PlaybackStarted,
    SessionEnded,
    TtsChunkReady,
)
from statecharts.phrases import Phrases
from statecharts.policy import Policy

__all__ = ["FrozenCall", "scenario_of"]

LOOK_ON_S = 0.5
"""A call that nobody ended is looked at for so long after the last that happened."""
GAP_S = 0.05
"""Audio that came so late was heard to come late: less is the way of a message."""
_UNTOLD: dict[type[Event], str] = {
    Disconnected: "the client was lost", BargeIn: "the client itself reported a barge-in",
    IntentFailed: "the intent worker failed",
    MicMuted: "the microphone was muted", MicUnmuted: "the microphone was unmuted",
    MicDenied: "the browser gave no microphone",
}  # fmt: skip
"""What a scenario has no words for."""


class FrozenCall(Struct, frozen=True):
    """A call as a scenario, and what of it the scenario does not tell."""

    scenario: Scenario
    remarks: list[str]


def scenario_of(log: CallLog, untold: tuple[Policy, Phrases], title: str) -> FrozenCall:
    """Return a recorded call as a scenario.

    Args:
        log: The call, at rest or over.
        untold: The rules to take where the log does not say.
        title: What it shows; empty: the log's own.

    Raises:
        BadLog: Something happened in it that a scenario cannot tell, or it is still going on.
        ChartFailed: Today's chart fails on it.
    """
    policy, phrases = rules_of(log, untold)
    run = [item.folded for item in refold(log, untold)]
    zero = next((folded.record.at for folded in run if isinstance(event_of(folded), Connected)), None)
    if zero is None:
        raise BadLog(f"{log.name}: nobody connected, so there is nothing that a scenario could tell.")
    _assert_tellable(log.name, run, zero)
    last = run[-1].record
    over = any(isinstance(event_of(folded), SessionEnded) for folded in run)
    if not over and last.after not in ("LISTENING.quiet", "IDLE.away"):
        raise BadLog(f"{log.name} is still going on ({last.after}): freeze it when it is over, or quiet.")
    scenario = Scenario(
        title=title or log.title or f"A call, frozen: {log.session_id}",
        source="a real call, written by ./run freeze --scenario",
        run_until_s=0.0 if over else round(_last_at(run) - zero + LOOK_ON_S, 3),
        policy=PolicyTable(**{name: getattr(policy, name) for name in PolicyTable.__struct_fields__}),
        caller=acts_of(run, zero), answers=answers_of(run),
        speaker=Speaker(pausable=policy.pausable, reports=Known(run).reports), expect=_expected(run, zero),
    )  # fmt: skip
    return FrozenCall(scenario, list(_remarks(policy, phrases)))


def _last_at(run: Sequence[Folded]) -> float:
    """Return when the caller did something, or the state changed, for the last time."""
    return max(
        folded.record.at
        for folded in run
        if is_of_caller(event_of(folded)) or any(isinstance(effect, StateChanged) for effect in folded.effects)
    )


def _assert_tellable(name: str, run: Sequence[Folded], zero: float) -> None:
    connected = 0
    for folded in run:
        event = event_of(folded)
        what = _UNTOLD.get(type(event), "") if event is not None and folded.status != "dropped" else ""
        connected += isinstance(event, Connected)
        if connected > 1 and isinstance(event, Connected):
            what = "the client came back"
        if what:
            raise BadLog(
                f"{name} cannot be told as a scenario: {folded.record.at - zero:.2f} s into the call {what}, for which "
                "the format has no words. Without --scenario, freeze keeps any call as it was."
            )


def _expected(run: Sequence[Folded], zero: float) -> Expectation:
    records = [folded.record for folded in run]
    audible = list(_joined(_audible(run, zero))) if Known(run).reports else []
    seen = observe(records, audible, zero, records[-1].at)
    return Expectation(
        states=[(at, name) for at, name in seen.states], audible=seen.audible or None,  # type: ignore[misc]  # its names
        history=[_entry(entry) for entry in seen.history], turns=seen.turns,
    )  # fmt: skip


def _entry(entry: Entry) -> HistoryEntry:
    # Where an answer was cut is told by the voice's own timing in a call, and by shares of the text in a scenario.
    text = None if entry.interrupted else entry.text
    interrupted = entry.interrupted if entry.role == "assistant" else None
    return HistoryEntry(role=entry.role, text=text, interrupted=interrupted)  # type: ignore[arg-type]  # two roles


def _joined(spans: Iterable[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Yield spans without the gaps that nobody hears."""
    last: tuple[float, float] | None = None
    for span in spans:
        if last is not None and span[0] > last[1] + GAP_S:
            yield last
            last = None
        last = span if last is None else (last[0], span[1])
    if last is not None:
        yield last


def _audible(run: Sequence[Folded], zero: float) -> Iterator[tuple[float, float]]:
    """Yield when our voice was to be heard: by the client's reports, its orders, and by what it had to play."""
    since: float | None = None
    paused, left_s = False, 0.0
    for folded in run:
        at, event = folded.record.at - zero, event_of(folded)
        orders = {effect.action for effect in folded.effects if isinstance(effect, Playout)}
        cancelled = any(isinstance(effect, (CancelSpeech, CancelFiller)) for effect in folded.effects)
        if isinstance(event, TtsChunkReady):
            if since is not None and at > since + left_s + GAP_S:
                yield since, since + left_s
                since, left_s = at, 0.0
            left_s += event.audio_ms / 1000
        elif (
            isinstance(event, PlaybackStarted)
            and since is None
            and (event.kind == "filler" or folded.status != "dropped")
        ):
            since = at
        if since is not None and (cancelled or orders & {"pause", "stop"} or isinstance(event, PlaybackDone)):
            yield since, at
            paused = "pause" in orders
            left_s = max(0.0, left_s - (at - since)) if paused else 0.0
            since = None
        paused = paused and not (cancelled or "stop" in orders)
        if paused and "resume" in orders:
            since, paused = at, False


def _remarks(policy: Policy, phrases: Phrases) -> Iterator[str]:
    ours = Policy()
    named = {*PolicyTable.__struct_fields__, "partial_every_s", "pausable"}
    for name in policy.__struct_fields__:
        if name not in named and getattr(policy, name) != getattr(ours, name):
            yield f"Not told: in the call {name} was {getattr(policy, name)!r}; a scenario has the product's."
    if phrases != read_phrases(DELIVERED, "en"):
        yield "Not told: the call had phrases of its own; a scenario has the product's."
