"""A recorded call under another policy, on a virtual clock: what would have differed.

As long as nothing differs, the recording is followed fact by fact. From the first effect that is another one, or the
first timer that fires at another time, the call is played on:

- What the caller does keeps its time; a caller who waited for the end of our answer waits as long after it again.
- Timers fire when the replayed chart says.
- Workers, voice and player answer the replayed effects as `world` says.

So it shows what the chart would have done, not what the caller would have: somebody answered later may go on by
themselves, and somebody interrupted less often would have said something else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from adapters.bus.port import LogEntry
from app.folding import Conversation, Folded
from app.replay.call_log import BadLog, CallLog
from app.replay.caller_again import CallerAgain, is_ours
from app.replay.course import Course, course_of
from app.replay.known import Known, event_of
from app.replay.refold import compare, refold, rules_of
from app.replay.world import World
from app.session_record import SessionRecord, derived_id
from statecharts.effects import CancelTimer, Effect, StartTimer
from statecharts.events import Envelope, Event, TimerFired, VoicechartError, to_envelope
from statecharts.phrases import Phrases
from statecharts.policy import Policy

__all__ = ["BadPolicy", "WhatIf", "changed_policy", "what_if"]

MAX_FACTS = 100_000
"""More than any call has: a replay that goes on for ever ends here."""
_OF_THE_EAR = ("settle_s", "partial_every_s")
"""Read by the gateway's ear, which is not replayed."""


class BadPolicy(VoicechartError):
    """A policy setting that does not exist, or a value it cannot have."""


class WhatIf(Struct, frozen=True, kw_only=True):
    """One call, as recorded and under the changed policy."""

    log: str
    session_id: str
    changed: dict[str, object]
    recorded_with: dict[str, object]
    """What the changed settings were."""
    departs_at_s: float | None
    """Seconds into the call; None: nothing differs."""
    departs_because: str
    recorded: Course
    replayed: Course
    assumptions: list[str]


def changed_policy(settings: Sequence[str]) -> dict[str, object]:
    """Return what `name=value` settings change.

    Raises:
        BadPolicy: There is no such name, or it cannot have that value.
    """
    changed: dict[str, object] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or name not in Policy.__struct_fields__:
            raise BadPolicy(
                f"--policy {setting}: "
                + (f"there is no {name!r}; there are " if equals else "write name=value; names are ")
                + ", ".join(Policy.__struct_fields__)
            )
        try:
            value = msgspec.json.decode(text)
        except msgspec.DecodeError:
            value = text
        try:
            changed[name] = getattr(msgspec.convert({name: value}, Policy), name)
        except msgspec.ValidationError as error:
            raise BadPolicy(f"--policy {setting}: {str(error).split(' - ')[0]}; it is now {_now(name)}.") from error
    return changed


def _now(name: str) -> str:
    return msgspec.json.encode(getattr(Policy(), name)).decode()


def what_if(log: CallLog, changed: dict[str, object], untold: tuple[Policy, Phrases]) -> WhatIf:
    """Replay a call under a changed policy.

    Raises:
        BadLog: It cannot be replayed, or was led under several policies.
    """
    policy, phrases = rules_of(log, untold)
    run = [item.folded for item in refold(log, untold)]
    virtual = _VirtualCall(log.session_id, run, msgspec.structs.replace(policy, **changed), phrases)
    replayed = virtual.play()
    began = log.started_at
    assumptions = list(virtual.world.agenda.assumptions) if virtual.departed_at is not None else []
    if not compare(log, untold).same:
        assumptions.insert(
            0, "today's chart differs from the recording even under its own policy: see replay without --policy"
        )
    assumptions += [f"{name} steers the ear, which is not replayed" for name in changed if name in _OF_THE_EAR]
    return WhatIf(
        log=log.name, session_id=log.session_id, changed=changed,
        recorded_with={name: getattr(policy, name) for name in changed},
        departs_at_s=None if virtual.departed_at is None else round(virtual.departed_at - began, 3),
        departs_because=virtual.departed_because, recorded=course_of(run, began), replayed=course_of(replayed, began),
        assumptions=assumptions,
    )  # fmt: skip


class _VirtualCall:
    """The replayed chart and its surroundings."""

    def __init__(self, session_id: str, run: Sequence[Folded], policy: Policy, phrases: Phrases) -> None:
        self._run = run
        self._conversation = Conversation(SessionRecord(session_id=session_id), policy, phrases)
        self._session_id = session_id
        self._armed: dict[str, tuple[float, str]] = {}
        self._started: set[str] = set()
        self._recorded_timers = {
            folded.envelope.event_id: folded.record.at for folded in run if isinstance(event_of(folded), TimerFired)
        }
        self._now = 0.0
        self.world = World(Known(run))
        self.departed_at: float | None = None
        self.departed_because = ""

    def play(self) -> list[Folded]:
        """Return the whole call as it would have gone."""
        outcome: list[Folded] = []
        for number, recorded in enumerate(self._run):
            if self._timer_is_other(recorded):
                return [*outcome, *self._play_on(number)]
            event = event_of(recorded)
            if event is not None:
                self.world.agenda.forget(event)
            outcome.append(self._fold(recorded.envelope, recorded.record.position, event, number))
            if difference := _other_effect(recorded.effects, outcome[-1].effects):
                self._depart(recorded.record.at, difference)
                return [*outcome, *self._play_on(number + 1)]
        return outcome

    def _timer_is_other(self, recorded: Folded) -> bool:
        """Note the departure if a timer fires before this fact that did not then, or this is one that does not now."""
        name, due = min(self._own_timers(), key=lambda timer: timer[1], default=("", math.inf))
        if due < recorded.record.at:
            self._depart(due, f"timer {name} fires now, and did not then")
            return True
        event = event_of(recorded)
        if isinstance(event, TimerFired) and event.event_id not in self._started:
            self._depart(recorded.record.at, f"timer {event.name} fired then, and does not now")
            return True
        return False

    def _own_timers(self) -> Iterator[tuple[str, float]]:
        """Yield the running timers that did not fire in the recording."""
        for name, (due, event_id) in self._armed.items():
            if event_id not in self._recorded_timers:
                yield name, due

    def _play_on(self, first: int) -> Iterator[Folded]:
        caller = CallerAgain(self._run, first)
        self._now = max(self._now, self.departed_at or 0.0)
        for _ in range(MAX_FACTS):
            next_of_caller = caller.next_at(self._conversation.chart.path, self._now)
            next_of_world = max(self._now, self.world.agenda.next_at)
            name, due = self._next_timer()
            if next_of_caller == next_of_world == math.inf and not self._is_waited_for(name):
                return
            if due <= min(next_of_caller, next_of_world):
                self._armed.pop(name)
                folded = self._step(
                    TimerFired(name=name, timestamp=due, event_id=derived_id(self._session_id, name, due))
                )
            elif next_of_world <= next_of_caller:
                folded = self._step(self.world.agenda.take())
            else:
                self._now = next_of_caller
                number, event = caller.take(next_of_caller)
                event = msgspec.structs.replace(self.world.words(event, number), timestamp=next_of_caller)
                folded = self._step(event, number)
            caller.notice(folded.record.before, folded.record.after, self._now)
            yield folded
        raise BadLog(f"the replay of session {self._session_id} came to no end within {MAX_FACTS} facts.")

    def _next_timer(self) -> tuple[str, float]:
        """Return the timer that fires next, as late as it did in the recording if it is the same one."""
        timers = [
            (name, max(self._now, self._recorded_timers.get(event_id, due)))
            for name, (due, event_id) in self._armed.items()
        ]
        return min(timers, key=lambda timer: (timer[1], timer[0]), default=("", math.inf))

    def _is_waited_for(self, name: str) -> bool:
        """Return whether the call goes on by itself: our turn, or the end of the caller's."""
        path = self._conversation.chart.path
        return bool(name) and (is_ours(path) or path == "LISTENING.settling")

    def _step(self, event: Event, number: int | None = None) -> Folded:
        self._now = at = max(self._now, event.timestamp)
        envelope = to_envelope(msgspec.structs.replace(event, timestamp=at), self._session_id, source="replay")
        return self._fold(envelope, f"{round(at * 1000)}-0", event, number)

    def _fold(self, envelope: Envelope, position: str, event: Event | None, number: int | None) -> Folded:
        at = envelope.timestamp
        self.world.notice(event, at, number)
        folded = self._conversation.fold(LogEntry(position=position, envelope=envelope), envelope)
        self._now = max(self._now, folded.record.at)
        self._arm(folded)
        self.world.react(folded.effects, folded.record.at)
        return folded

    def _arm(self, folded: Folded) -> None:
        if isinstance(event := event_of(folded), TimerFired) and folded.status == "accepted":
            self._armed.pop(event.name, None)
        for effect in folded.effects:
            if isinstance(effect, StartTimer):
                due = folded.record.at + effect.delay_s
                self._armed[effect.name] = due, derived_id(self._session_id, effect.name, due)
                self._started.add(self._armed[effect.name][1])
            elif isinstance(effect, CancelTimer):
                self._armed.pop(effect.name, None)

    def _depart(self, at: float, because: str) -> None:
        self.departed_at, self.departed_because = at, because
        self.world.agenda.assumptions.clear()  # nothing before rested on them


def _other_effect(recorded: Sequence[Effect], now: Sequence[Effect]) -> str:
    """Return what is asked for now that was not then; how long a timer is to run does not count before it fires."""
    old, new = _without_delays(recorded), _without_delays(now)
    for effect in new:
        if effect not in old:
            return f"{type(effect).__name__} is asked for now, and was not then"
    for effect in old:
        if effect not in new:
            return f"{type(effect).__name__} was asked for then, and is not now"
    return "" if old == new else "the same is asked for in another order"


def _without_delays(effects: Sequence[Effect]) -> list[Effect]:
    return [StartTimer(effect.name, 0.0) if isinstance(effect, StartTimer) else effect for effect in effects]
