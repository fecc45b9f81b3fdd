"""What the parts of the conversation share while one event is taken."""

from __future__ import annotations

from functools import cache
from typing import Protocol

from statecharts.context import Context
from statecharts.echo import plain_words, without_ours
from statecharts.effects import CancelSpeech, Effect
from statecharts.events import Event, IntentDetected, RagAnswerReady, SttFinal, SttPartial
from statecharts.phrases import Phrases, Variants, chosen
from statecharts.policy import Policy
from statecharts.speech import Speech
from statecharts.timers import Timers

__all__ = ["RETRIEVED_INTENTS", "RaisesEvents", "Scene"]

FEW_WORDS = 3
"""So few words may be no words at all: a cough, a chair."""
RETRIEVED_INTENTS = frozenset({"question", "help"})
"""Intents whose answer comes from retrieval; the others have a phrase of their own."""


class RaisesEvents(Protocol):
    """The running chart, as an action sees it."""

    def raise_(self, event: str, *, fact: Event) -> object:
        """Have this event judged in the same step, when the present one is done."""


class Scene:
    """Memory, rules and the effects so far; each part reads and writes them through here."""

    __slots__ = ("context", "effects", "phrases", "policy", "timers")

    def __init__(self, policy: Policy, phrases: Phrases, remembered: Context | None = None) -> None:
        # A copy: the snapshot it came from stays what it was.
        context = remembered.copy() if remembered else Context()
        self.context = context
        self.policy = policy
        self.phrases = phrases
        self.effects: list[Effect] = []
        self.timers = Timers(context, self.effects)

    def emit(self, *effects: Effect) -> None:
        """Ask for these, in this order."""
        self.effects.extend(effects)

    def emit_cancel_speech(self, reason: str) -> None:
        """Ask that nothing more of this turn be synthesised or sent."""
        self.effects.append(CancelSpeech(self.context.turn, reason))

    @property
    def answer_turn(self) -> int:
        """The turn that the present answer belongs to: this one, or the next while it is only guessed."""
        return self.context.turn + bool(self.context.guess)

    def phrase(self, variants: Variants) -> str:
        """Return the variant of a text that is said in the turn that is answered."""
        return chosen(variants, self.answer_turn)

    @property
    def filler(self) -> str:
        """What could bridge the wait now; empty if there is nothing but what was said last."""
        context = self.context
        return chosen(self.phrases.filler.for_intent(context.intent), context.turn, context.last_filler)

    def next_request(self, speech: Speech) -> str:
        """Return a name for the next piece of a speech, by which its results are known."""
        self.context.requests += 1
        return f"{speech.turn}.{speech.kind}{self.context.asked}.{self.context.requests}"

    @property
    def least_words(self) -> int:
        """How many words pause or stop our answer; 0: a voice is enough."""
        least = self.policy.barge_in_min_words
        return max(least, self.policy.echo_min_words) if self.context.echoes else least

    def await_lasting_voice(self) -> None:
        """Believe a voice that lasts, unless the policy asks for words."""
        if not self.least_words:
            self.timers.start("barge_in_speech", self.policy.barge_in_speech_s)

    def joined(self, text: str) -> str:
        """Return the words of a turn that was taken back, if any, and these."""
        return f"{self.context.carried} {text}".strip()

    def words_of(self, fact: Event) -> str:
        """Return the caller's words that an event brings; empty for any other event."""
        if not isinstance(fact, (SttPartial, SttFinal)):
            return ""
        context, text = self.context, fact.text.strip()
        if not context.ours or fact.origin == "typed":
            return text
        ours = context.speech.text if context.speech is not None else context.ours
        return without_ours(text, ours, self.policy.echo_min_words)

    def means_go_on(self, text: str) -> bool:
        """Return whether words over our answer are none, or backchannels alone."""
        known, words = _spelt(self.policy.backchannels), list(plain_words(text))
        while words:
            size = next((size for size in (2, 1) if " ".join(words[:size]) in known), 0)
            if not size:
                return False
            del words[:size]
        return True

    def doubt_of(self, fact: Event) -> float:
        """Return how sure the recogniser is of its last words; 0 where that says nothing.

        Partial words come of a voice that lasts, as a cough does not: together the two are sign enough.
        """
        return fact.confidence if isinstance(fact, SttFinal) else 0.0

    def means_nothing(self, text: str, confidence: float) -> bool:
        """Return whether words over our answer mean "go on", or are so few and so doubtful that they may be none."""
        # Without a confidence (0), somebody else has judged.
        doubtful = 0 < confidence < self.policy.barge_in_confidence and len(text.split()) <= FEW_WORDS
        return doubtful or self.means_go_on(text)

    def intent_after(self, fact: Event) -> str:
        """Return the intent as it is known once `fact` is taken; a failure or a wait that is over means a question."""
        if self.context.intent or isinstance(fact, RagAnswerReady):
            return self.context.intent
        return fact.intent if isinstance(fact, IntentDetected) else "question"


@cache
def _spelt(phrases: tuple[str, ...]) -> frozenset[str]:
    return frozenset(" ".join(plain_words(phrase)) for phrase in phrases)
