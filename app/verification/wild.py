"""Random conversations: sensible events and wild ones, of this turn and others, with real times, words and counts."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from hypothesis import strategies as st

from statecharts.events import (
    BargeIn,
    Connected,
    Disconnected,
    Event,
    IntentDetected,
    IntentFailed,
    KeyPressed,
    MicDenied,
    MicMuted,
    MicUnmuted,
    PlaybackDone,
    PlaybackProgress,
    PlaybackStarted,
    RagAnswerReady,
    RagFailed,
    SessionEnded,
    SessionStarted,
    SpeechStarted,
    SpeechStopped,
    SttFailed,
    SttFinal,
    SttPartial,
    TimerFired,
    TtsChunkReady,
    TtsDone,
    TtsFailed,
)
from statecharts.machine import Move, Step
from statecharts.possibilities import ConversationMachine, as_move
from statecharts.stepping import Snapshot
from statecharts.timers import TIMERS

__all__ = ["CHOICES", "Choice", "follow", "long_lists"]

_T = TypeVar("_T")

_WORDS = st.sampled_from(["", "how old is the bridge", "yeah", "mm-hmm", "stop", "tell me about it"])
_PLAYED = st.none() | st.floats(0, 5)
_INTENTS = st.sampled_from(["question", "greeting", "repeat", "help", "stop", "goodbye"])
_KINDS = st.sampled_from(["answer", "answer", "answer", "filler", "apology", "greeting", "prompt"])

_EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.just(Connected()), st.just(Disconnected()), st.just(SessionStarted()), st.just(BargeIn()), st.just(KeyPressed()),
    st.just(MicMuted()), st.just(MicUnmuted()), st.just(MicDenied()), st.just(SttFailed()),
    st.builds(SessionEnded, reason=st.just("hangup")),
    st.just(SpeechStarted()), st.just(SpeechStarted()),
    st.builds(SpeechStopped, silence_s=st.just(0.16)), st.builds(SpeechStopped, silence_s=st.just(0.16)),
    st.builds(SttPartial, text=_WORDS), st.builds(SttFinal, text=_WORDS), st.builds(SttFinal, text=_WORDS),
    st.builds(SttFinal, text=_WORDS, origin=st.just("typed")),
    st.builds(IntentDetected, intent=_INTENTS), st.builds(IntentFailed),
    st.builds(RagAnswerReady, text=_WORDS, is_final=st.booleans(), source=st.sampled_from(["", "a.md"])),
    st.builds(RagFailed),
    st.builds(TtsChunkReady, audio_ms=st.floats(20, 2000)), st.builds(TtsDone),
    st.builds(TtsFailed, voices_left=st.integers(0, 1)),
    st.builds(PlaybackStarted, played_s=_PLAYED, kind=_KINDS),
    st.builds(PlaybackProgress, played_s=_PLAYED, kind=_KINDS),
    st.builds(PlaybackDone, played_s=_PLAYED, kind=_KINDS),
    st.builds(TimerFired, name=st.sampled_from(sorted(TIMERS))),
)  # fmt: skip
_CALLERS = (
    Connected, Disconnected, SessionStarted, SessionEnded, BargeIn, KeyPressed, MicMuted, MicUnmuted, MicDenied,
    SttFailed, SpeechStarted, SpeechStopped, SttPartial, SttFinal, TimerFired,
)  # fmt: skip

Choice = tuple[float, Event | int, int]
"""Seconds that pass; an event, or which of the possible moves is made; and how many turns off a result is."""

_CHOICE: st.SearchStrategy[Choice] = st.tuples(
    st.sampled_from([0.0, 0.0, 0.1, 0.1, 0.5, 1.0, 4.0, 20.0]),
    st.integers(0, 200) | st.integers(0, 200) | _EVENTS,
    st.sampled_from([0, 0, 0, 0, 0, -1, 1]),
)


def long_lists(elements: st.SearchStrategy[_T]) -> st.SearchStrategy[list[_T]]:
    """Return lists of some twenty elements that shrink well; Hypothesis's own are mostly short."""
    return st.lists(st.lists(elements, max_size=12), max_size=12).map(
        lambda parts: [one for part in parts for one in part]
    )


CHOICES: st.SearchStrategy[list[Choice]] = long_lists(_CHOICE)


def follow(machine: ConversationMachine, choices: list[Choice]) -> list[Step[Snapshot]]:
    """Return the run that these choices make: time passes, timers fire when they are due, events come.

    Args:
        machine: The conversation.
        choices: What happens.
    """
    at, steps = machine.start(), []
    now = at.context.now
    for after_s, chosen, off in choices:
        until = now + after_s
        while at.context.timers:
            name, due = min(at.context.timers.items(), key=lambda item: (item[1], item[0]))
            if due > until:
                break
            now = max(now, due)
            steps.append(machine.take(at, as_move(TimerFired(name=name, timestamp=now), at.context.now, of_time=True)))
            at = steps[-1].after
        now = until
        steps.append(machine.take(at, _made(machine, at, now, chosen, off)))
        at = steps[-1].after
    return steps


def _made(machine: ConversationMachine, at: Snapshot, now: float, chosen: Event | int, off: int) -> Move:
    context = at.context
    if isinstance(chosen, int):
        moves = [move for move in machine.moves(at) if not move.of_time]
        event = moves[chosen % len(moves)].fact
        assert isinstance(event, Event)
        return as_move(msgspec.structs.replace(event, timestamp=now), context.now)
    if isinstance(chosen, _CALLERS):
        return as_move(msgspec.structs.replace(chosen, timestamp=now), context.now)
    named = {}
    if isinstance(chosen, (TtsChunkReady, TtsDone, TtsFailed)) and context.speech is not None and context.speech.lines:
        named = {"request_id": context.speech.lines[-1].request_id}
    return as_move(
        msgspec.structs.replace(chosen, timestamp=now, turn=max(0, context.turn + off), **named), context.now
    )
