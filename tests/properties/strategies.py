"""Random events, sensible and not: of the current turn, of others, in any order."""

from __future__ import annotations

from hypothesis import strategies as st

from statecharts.events import (
    BargeIn,
    Connected,
    Disconnected,
    Event,
    IntentDetected,
    IntentFailed,
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
from statecharts.timers import TIMERS

__all__ = ["EVENTS", "STEPS"]

_WORDS = st.sampled_from(["", "how old is the bridge", "yeah", "mm-hmm", "stop", "tell me about it"])
_TURNS = st.integers(0, 4)
_PLAYED = st.none() | st.floats(0, 5)
_INTENTS = st.sampled_from(["question", "greeting", "repeat", "help", "stop", "goodbye"])
_KINDS = st.sampled_from(["answer", "answer", "answer", "filler", "apology"])

EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.just(Connected()), st.just(Disconnected()), st.just(SessionStarted()), st.just(BargeIn()),
    st.just(MicMuted()), st.just(MicUnmuted()), st.just(SttFailed()),
    st.builds(SessionEnded, reason=st.just("hangup")),
    st.just(SpeechStarted()), st.just(SpeechStarted()),
    st.builds(SpeechStopped, silence_s=st.just(0.16)), st.builds(SpeechStopped, silence_s=st.just(0.16)),
    st.builds(SttPartial, text=_WORDS), st.builds(SttFinal, text=_WORDS), st.builds(SttFinal, text=_WORDS),
    st.builds(SttFinal, text=_WORDS, origin=st.just("typed")),
    st.builds(IntentDetected, intent=_INTENTS, turn=_TURNS), st.builds(IntentFailed, turn=_TURNS),
    st.builds(RagAnswerReady, text=_WORDS, is_final=st.booleans(), turn=_TURNS, source=st.sampled_from(["", "a.md"])),
    st.builds(RagFailed, turn=_TURNS),
    st.builds(TtsChunkReady, audio_ms=st.floats(20, 2000), turn=_TURNS), st.builds(TtsDone, turn=_TURNS),
    st.builds(TtsFailed, turn=_TURNS),
    st.builds(PlaybackStarted, turn=_TURNS, played_s=_PLAYED),
    st.builds(PlaybackProgress, turn=_TURNS, played_s=_PLAYED),
    st.builds(PlaybackDone, turn=_TURNS, played_s=_PLAYED, kind=_KINDS),
    st.builds(TimerFired, name=st.sampled_from(sorted(TIMERS))),
)  # fmt: skip
"""One event; results carry a turn that may be over or not begun."""

STEPS = st.lists(st.tuples(st.sampled_from([0.0, 0.0, 0.1, 0.5, 1.0, 4.0, 20.0]), EVENTS), max_size=25)
"""Seconds that pass, then an event."""
