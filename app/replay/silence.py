"""Why a call is silent, or why it stopped: told from its log."""

from __future__ import annotations

from collections import deque
from typing import Literal

import msgspec
from msgspec import Struct

from app.folding import Folded
from app.replay.call_log import BadLog, CallLog, LoggedFact
from app.replay.refold import Refolded, read_rules, refold
from app.replay.telling import brief, fact_time, short, told_edges, way
from statecharts.context import Context
from statecharts.conversation import ConversationChart
from statecharts.effects import (
    CancelFiller,
    CancelSpeech,
    CancelTasks,
    CommitSpeech,
    Drop,
    Playout,
    RequestAnswer,
    RequestIntent,
    Speak,
)
from statecharts.events import PlaybackDone, TimerFired, to_event
from statecharts.phrases import Phrases
from statecharts.policy import Policy
from statecharts.stepping import Snapshot
from statecharts.verdicts import Tried, judged

__all__ = ["Dropped", "Happened", "Timer", "Why", "why"]

SHOWN_DROPS = 5
SHOWN_NEXT = 3
UNIX_FROM_S = 1e8
"""A time from here on is Unix seconds (1973); below, seconds of the call (three years)."""
_MEANINGS = {
    f"{state.id}.{substate.id}": substate.name for state in ConversationChart.states for substate in state.states
}
_Asked = Literal["intent", "answer", "voice", "guess"]
"""Whose work is awaited; the sound of a guess only once it is committed."""


class Happened(Struct, frozen=True):
    """One fact and where it led."""

    at_s: float
    event: str
    edges: list[str]
    """The edges taken."""
    how: str = ""


class Dropped(Struct, frozen=True):
    """A fact that changed nothing."""

    at_s: float
    event: str
    reason: str
    tried: list[Tried]
    """The edges it was tried on; none if it was stale, or no edge of the state is about it."""


class Timer(Struct, frozen=True):
    """A timer that runs."""

    name: str
    due_s: float
    """Seconds since the call began."""
    in_s: float
    """From the moment asked about; below 0 it should have fired."""
    then: str
    """The edge it takes if nothing happens before."""


class Why(Struct, frozen=True, kw_only=True):
    """Where a call stands at one moment. All `_s` are seconds since it began."""

    session_id: str
    started_at: float
    """Unix seconds."""
    at_s: float
    state: str
    meaning: str
    since_s: float
    turn: int
    verdict: str
    """The answer in a few sentences."""
    last_accepted: Happened | None
    voice_ended: Happened | None
    """What ended or paused our voice last; None while it is heard, or was never."""
    waiting_for: list[str]
    """What was asked for and has not come."""
    timers: list[Timer]
    standing_still: dict[str, float]
    """Timers that wait for a client to come back, and the seconds they have left."""
    dropped: list[Dropped]
    """The latest ones."""
    dropped_in_all: int
    not_folded: int
    """Facts in the log that no orchestrator has taken."""
    next_in_log: list[str]


def why(log: CallLog, untold: tuple[Policy, Phrases], *, at: float | None = None, now: float | None = None) -> Why:
    """Tell where a call stands, and what kept it there.

    Args:
        log: The call.
        untold: The rules to take where the log does not say.
        at: The moment asked about: Unix seconds, or seconds since the call began (below 1e8). None: the latest fact.
        now: Unix seconds now, for a call that may still be going on.

    Raises:
        BadLog: The log cannot be replayed, or had not begun at that moment.
    """
    began = log.started_at
    moment = fact_time(log.facts[-1]) if at is None else at if at >= UNIX_FROM_S else began + at
    past = [fact for fact in log.facts if fact_time(fact) <= moment + 0.0005]  # times are shown to the millisecond
    if not past:
        raise BadLog(f"at {at:g} nothing had happened yet: the call began at {began:.3f}, which is 0 s of it.")
    story = _Story(log, untold)
    for item in refold(msgspec.structs.replace(log, facts=past), untold):
        story.take(item)
    if at is None and now is not None and story.here.state != "IDLE.ended":
        moment = max(moment, now)
    return story.told(moment, past)


class _Story:
    """What is gathered fact by fact."""

    def __init__(self, log: CallLog, untold: tuple[Policy, Phrases]) -> None:
        self._log = log
        self._rules = untold
        self._since = log.started_at
        self._last: Happened | None = None
        self._entered_by = ""
        self._voice_ended: Happened | None = None
        self._dropped: deque[Dropped] = deque(maxlen=SHOWN_DROPS)
        self._drops = 0
        self._open: dict[str, tuple[_Asked, int, str]] = {}
        self.here = Snapshot("IDLE.new", Context())

    def take(self, item: Refolded) -> None:
        """Note one fact."""
        fact, folded, chart = item.fact, item.folded, item.conversation.chart
        if fact.outcome is not None and fact.outcome.rules is not None:
            self._rules = read_rules(fact.outcome.rules, self._log.name)
        at_s = self._s(folded.record.at)
        first = folded.effects[0] if folded.effects else None
        if isinstance(first, Drop):
            self._drops += 1
            self._dropped.append(Dropped(at_s, brief(fact), first.reason, self._tried(folded, first.reason)))
        else:
            self._last = Happened(at_s, brief(fact), told_edges(chart.taken))
            self._note_requests(fact, folded)
            self._note_voice(folded, self._last)
        if chart.path != self.here.state:
            self._since = folded.record.at
            self._entered_by = f"when {short(fact)} took {way(chart.taken[-1])}"
        self.here = Snapshot(chart.path, chart.context.copy())

    def told(self, moment: float, past: list[LoggedFact]) -> Why:
        """Return all of it, as seen at a moment."""
        context = self.here.context
        timers = [
            Timer(name, self._s(due), round(due - moment, 3), self._then(name, due))
            for name, due in sorted(context.timers.items(), key=lambda item: item[1])
        ]
        not_folded = sum(fact.outcome is None and fact.derived is None for fact in past)
        after = self._log.facts[len(past) :]
        return Why(
            session_id=self._log.session_id, started_at=self._log.started_at, at_s=self._s(moment),
            state=self.here.state, meaning=_MEANINGS.get(self.here.state, ""), since_s=self._s(self._since),
            turn=context.turn, verdict=self._verdict(timers, not_folded), last_accepted=self._last,
            voice_ended=self._voice_ended, waiting_for=self._awaited, timers=timers,
            standing_still={name: round(left, 3) for name, left in context.frozen.items()},
            dropped=list(self._dropped), dropped_in_all=self._drops, not_folded=not_folded,
            next_in_log=[f"{self._s(fact_time(fact)):.3f} s  {brief(fact)}" for fact in after[:SHOWN_NEXT]],
        )  # fmt: skip

    def _verdict(self, timers: list[Timer], not_folded: int) -> str:
        since = f"since {self._s(self._since):.3f} s"
        sentences = [f"{_MEANINGS.get(self.here.state, '')}, {', '.join(filter(None, (since, self._entered_by)))}."]
        if self._awaited:
            sentences.append(f"It waits for {' and for '.join(self._awaited)}.")
        if self.here.context.detached:
            sentences.append("The client is gone and is waited for; everything else stands still.")
        if timers and timers[0].in_s < 0:
            sentences.append(
                f"Timer {timers[0].name} should have fired {-timers[0].in_s:.1f} s ago: "
                "is an orchestrator running (`/health/ready`)?"
            )
        elif timers:
            first = timers[0]
            sentences.append(f"If nothing happens, {first.name} fires at {first.due_s:.3f} s and takes {first.then}.")
        elif self.here.state == "IDLE.ended":
            sentences.append("Only a new connect can wake it.")
        if not_folded:
            sentences.append(f"{not_folded} facts in the log are not folded yet: is an orchestrator running?")
        text = " ".join(sentences)
        return text[:1].upper() + text[1:]

    def _then(self, name: str, due: float) -> str:
        """Return the edge a timer takes if it is the next thing that happens."""
        tried = judged(self.here, TimerFired(name=name, timestamp=due), *self._rules)
        return tried[-1].edge if tried and tried[-1].taken else "no edge"

    def _tried(self, folded: Folded, reason: str) -> list[Tried]:
        if not reason.startswith("nothing to do"):
            return []  # it was stale, a copy, or no fact at all
        return judged(self.here, to_event(folded.envelope), *self._rules)

    def _note_requests(self, fact: LoggedFact, folded: Folded) -> None:
        since = f"(asked for at {self._s(folded.record.at):.3f} s)"
        if fact.payload.get("name") == "intent_wait":
            self._forget("intent")
        if fact.event_type != "voice.rag.answer_ready" or fact.payload.get("is_final"):
            self._open.pop(str(fact.payload.get("request_id", "")), None)
        for effect in folded.effects:
            match effect:
                case RequestIntent():
                    self._open[effect.request_id] = "intent", effect.turn, f"the intent of {effect.text!r} {since}"
                case RequestAnswer():
                    self._open[effect.request_id] = "answer", effect.turn, f"the answer to {effect.text!r} {since}"
                case Speak() if effect.text:
                    kind: _Asked = "guess" if effect.speculative else "voice"
                    self._open[effect.request_id] = kind, effect.turn, f"the voice for {effect.text!r} {since}"
                case CommitSpeech():
                    self._open = {
                        name: ("voice" if kind == "guess" else kind, turn, told)
                        for name, (kind, turn, told) in self._open.items()
                    }
                case CancelTasks():
                    self._forget("intent", "answer", turn=effect.turn)
                case CancelSpeech() | CancelFiller():
                    self._forget_speech(effect)

    def _forget_speech(self, effect: CancelSpeech | CancelFiller) -> None:
        if isinstance(effect, CancelFiller):
            self._open.pop(f"{effect.turn}.filler", None)
        else:
            self._forget("voice", "guess", turn=effect.turn)

    def _forget(self, *kinds: _Asked, turn: int = 0) -> None:
        self._open = {
            name: asked for name, asked in self._open.items() if asked[0] not in kinds or turn not in (0, asked[1])
        }

    @property
    def _awaited(self) -> list[str]:
        return [told for kind, _, told in self._open.values() if kind != "guess"]

    def _note_voice(self, folded: Folded, happened: Happened) -> None:
        before, after = (path.split(".")[0] in ("SPEAKING", "INTERRUPT") for path in _ends(folded))
        if after and folded.record.after.startswith("SPEAKING"):
            self._voice_ended = None
        if not before:
            return
        reasons = [effect.reason for effect in folded.effects if isinstance(effect, CancelSpeech)]
        if not after:
            played = folded.envelope.event_type == PlaybackDone.event_type
            how = reasons[0] if reasons else "played to its end" if played else "the time to play it was over"
            self._voice_ended = msgspec.structs.replace(happened, how=how)
        elif any(isinstance(effect, Playout) and effect.action == "pause" for effect in folded.effects):
            self._voice_ended = msgspec.structs.replace(happened, how="paused")

    def _s(self, at: float) -> float:
        return round(at - self._log.started_at, 3)


def _ends(folded: Folded) -> tuple[str, str]:
    return folded.record.before, folded.record.after
