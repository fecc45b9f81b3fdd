"""A chart as every drawing sees it: states, substates, edges. Values only; `extract.py` makes it."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["ChartModel", "EdgeModel", "StateModel"]


class StateModel(Struct, frozen=True, kw_only=True):
    """A state, or a substate; its path is its id: `SPEAKING`, `SPEAKING.streaming`."""

    path: str
    name: str
    meaning: str
    initial: bool = False
    final: bool = False
    deadlines: list[str] = []
    """Timers of which one always runs here."""
    substates: list[StateModel] = []


class EdgeModel(Struct, frozen=True, kw_only=True):
    """A declared transition; without a target it changes what is remembered, not the state."""

    trigger: str
    """The edge's own name: what clients are told."""
    events: list[str]
    """All events it is taken on."""
    source: str
    target: str | None
    guards: list[str] = []
    """Conditions; one that must not hold begins with `not `."""
    actions: list[str] = []
    ours: bool = False
    """Added to what the guide had."""

    @property
    def label(self) -> str:
        """The trigger in words."""
        return in_words(self.trigger)


class ChartModel(Struct, frozen=True, kw_only=True):
    """A whole chart, in the order of its declaration."""

    name: str
    states: list[StateModel]
    edges: list[EdgeModel]
    timers: dict[str, float] = {}
    """Seconds each timer runs, by the default policy."""

    @property
    def leaves(self) -> list[StateModel]:
        """The states in which the chart can be: substates, and states without any."""
        return [leaf for state in self.states for leaf in (state.substates or [state])]

    def leaf_of(self, path: str) -> str:
        """Return where one is on entering a state: its initial substate, or itself."""
        for state in self.states:
            if state.path == path and state.substates:
                return next((sub.path for sub in state.substates if sub.initial), state.substates[0].path)
        return path


_WORDS = {
    "stt_final": "end of turn",
    "tts_chunk_ready": "first audio",
    "tts_done": "all audio sent",
    "tts_failed": "no voice",
    "barge_in": "voice over us",
    "ready_for_next": "believed: we stop",
    "resumed": "false alarm",
    "voice_lasts": "the voice lasts",
    "withdrawn": "the caller goes on",
    "released": "it was nothing",
    "playback_done": "played",
    "playback_deadline": "should be played",
    "rag_complete": "nothing to say",
    "intent_detected": "nothing to say",
    "answer_deadline": "no answer in time",
    "away": "quiet for long",
    "session_ended": "hung up",
    "speech_started": "voice",
    "speech_stopped": "silence",
    "hearing_max": "voice without end",
    "final_wait": "no words came",
    "stt_failed": "not recognised",
    "filler": "a long wait",
}


def in_words(name: str) -> str:
    """Return an event's or an action's name as a person would say it."""
    return _WORDS.get(name, name.replace("_", " "))
