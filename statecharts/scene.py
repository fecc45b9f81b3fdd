"""What the parts of the conversation share while one event is taken."""

from __future__ import annotations

from typing import Protocol

from statecharts.context import Context
from statecharts.effects import CancelSpeech, Effect
from statecharts.events import Event, IntentDetected, RagAnswerReady, SttFinal, SttPartial
from statecharts.phrases import Phrases, Variants, chosen
from statecharts.policy import Policy
from statecharts.speech import Speech
from statecharts.timers import Timers

__all__ = ["RETRIEVED_INTENTS", "RaisesEvents", "Scene"]

RETRIEVED_INTENTS = frozenset({"question", "help"})
"""Intents whose answer comes from retrieval; the others have a phrase of their own."""


class RaisesEvents(Protocol):
    """The running chart, as an action sees it."""

    def raise_(self, event: str, *, fact: Event) -> object:
        """Have this event judged in the same step, when the present one is done."""
        ...


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

    def await_lasting_voice(self) -> None:
        """Believe a voice that lasts, unless the policy asks for words."""
        if not self.policy.barge_in_min_words:
            self.timers.start("barge_in_speech", self.policy.barge_in_speech_s)

    def joined(self, text: str) -> str:
        """Return the words of a turn that was taken back, if any, and these."""
        return f"{self.context.carried} {text}".strip()

    def words_of(self, fact: Event) -> str:
        """Return the words an event brings; empty for any other event."""
        return fact.text.strip() if isinstance(fact, (SttPartial, SttFinal)) else ""

    def means_go_on(self, text: str) -> bool:
        """Return whether words over our answer are none, or a backchannel."""
        plain = text.lower().strip(" .,!?…")
        return not plain or plain in self.policy.backchannels

    def intent_after(self, fact: Event) -> str:
        """Return the intent as it is known once `fact` is taken; a failure or a wait that is over means a question."""
        if self.context.intent or isinstance(fact, RagAnswerReady):
            return self.context.intent
        return fact.intent if isinstance(fact, IntentDetected) else "question"
