"""What a conversation remembers beside its state; with the state it is the whole snapshot."""

from __future__ import annotations

from copy import copy

import msgspec
from msgspec import Struct, field

from statecharts.events import Origin
from statecharts.speech import Cut, Speech

__all__ = ["Context", "Sentence"]


class Sentence(Struct, frozen=True):
    """A piece of the answer that came from retrieval and is not spoken yet."""

    text: str
    is_final: bool
    found: bool


class Context(Struct, omit_defaults=True):
    """The memory of one conversation. Times are Unix seconds."""

    now: float = 0.0
    """Time of the latest event; it never goes back."""
    turn: int = 0
    connected: bool = False
    detached: bool = False
    """The client went away without hanging up, and is waited for."""
    muted: bool = False
    echoes: bool = False
    """Nothing takes our own voice out of what the caller's microphone hears."""
    gate_open: bool = False

    # what the caller is saying
    voice_on: bool = False
    voice_ended_at: float = 0.0
    ours: str = ""
    """What we were saying as the latest voice began, where nothing cancels our echo: these words may be in it."""
    text: str = ""
    """Words of the utterance so far."""
    confidence: float = 0.0
    origin: Origin = "voice"
    final_known: bool = False
    """The recogniser gave its final words for all that was heard so far."""
    silence_over: bool = False
    """The silence that ends a turn has passed."""
    pause_s: float = 0.0
    """How long it was silent before the caller's latest voice; 0: it was the first."""
    least_wait_s: float = 0.0
    """The shortest silence that ends a turn of this caller, learnt of the pauses inside their turns; 0: none yet."""
    words_before: int = -1
    """How many words this utterance had when it was asked last whether it goes on; -1: never yet."""
    carried: str = ""
    """Words of a turn that was taken back: they begin the next one."""

    # what we make of it
    user_text: str = ""
    turn_open: bool = False
    """The turn is neither answered nor taken back yet."""
    intent: str = ""
    """Empty until known, or until waiting for it is over."""
    sentences: list[Sentence] = field(default_factory=list)
    retrieved: bool = False
    """The answer's last sentence came."""
    late: bool = False
    """The answer failed or is over its deadline, and this was said."""
    requests: int = 0
    """Sentences given to the voice in this turn: numbers their requests."""

    guess: str = ""
    """Words that may be all of the next turn: intent, sentences and speech are about them, not about this turn."""
    guessed_at: float = 0.0
    guesses: int = 0
    """How often was guessed in this conversation: tells the requests of one guess from those of another."""
    asked: str = ""
    """What the requests of the present answer end in: nothing, or which guess they belong to."""

    # what we say
    speech: Speech | None = None
    voice: int = 0
    """Which of the gateway's voices speaks: those before it have failed in this call."""
    overlap_at: float = 0.0
    """When the caller's sound over our speech began."""
    overlap_text: str = ""
    """What the caller said over this answer, in utterances that did not stop it."""
    over_answer: bool = False
    """The caller's latest voice ended while our answer could be heard, and its words are not known yet."""
    cut: Cut | None = None
    """The answer that ended last, while the report of what was heard of it is awaited."""
    last_heard: str = ""
    """What the caller heard last, for "say that again"."""
    prompts_left: int = 0
    """How often the floor may still be offered since something of ours was heard."""
    asked_there: bool = False
    """The caller was asked whether they are still there, and has said nothing since."""
    last_filler: str = ""
    """The filler that was said last: it is not said again before another one."""

    timers: dict[str, float] = field(default_factory=dict)
    """Running timers and when they are due."""
    frozen: dict[str, float] = field(default_factory=dict)
    """Timers that stand still while no client is there, and the seconds they have left."""

    def copy(self) -> Context:
        """Return the same memory, of which nothing is shared that could change."""
        other = copy(self)
        other.sentences, other.timers, other.frozen = list(self.sentences), dict(self.timers), dict(self.frozen)
        if self.speech is not None:
            other.speech = self.speech.copy()
        if self.cut is not None:
            other.cut = msgspec.structs.replace(self.cut, speech=self.cut.speech.copy())
        return other
