"""The conditions on the chart's edges: each answers one question about an event, and changes nothing."""

from __future__ import annotations

from statecharts.events import (
    Event,
    IntentDetected,
    IntentFailed,
    PlaybackDone,
    RagAnswerReady,
    RagFailed,
    SttFinal,
    TimerFired,
    TtsChunkReady,
    TtsDone,
    TtsFailed,
)
from statecharts.scene import RETRIEVED_INTENTS, Scene
from statecharts.timers import EARLY_S

__all__ = ["AnswerGuards", "FloorGuards"]

_CUT_S = 0.1
"""A client that reports less than what was sent, by more than a few 20 ms frames, has cut the answer there."""


class FloorGuards:
    """Questions about what the caller does."""

    __slots__ = ("_context", "_policy", "_scene")

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._context = scene.context
        self._policy = scene.policy

    def typed(self, fact: Event) -> bool:
        """Words that were typed: there is no voice to wait for."""
        return isinstance(fact, SttFinal) and fact.origin == "typed" and bool(fact.text.strip())

    def words(self, fact: Event) -> bool:
        """Words at all."""
        return bool(self._scene.words_of(fact))

    def spoken_words(self, fact: Event) -> bool:
        """Words that were spoken."""
        return self.words(fact) and not self.typed(fact)

    def words_for_us(self, fact: Event) -> bool:
        """Words, and not just a few that were said over an answer."""
        return self.words(fact) and not self._idle(self._scene.words_of(fact), self._scene.doubt_of(fact))

    def last_words(self, fact: Event) -> bool:
        """Words for us that were still being recognised when the session ended."""
        return not self._context.final_known and self.words_for_us(fact)

    def nothing_said(self, fact: Event) -> bool:
        """The recogniser found no words for us, and none were said before."""
        text = self._scene.words_of(fact)
        return isinstance(fact, SttFinal) and (not self._scene.joined(text) or self._idle(text, fact.confidence))

    def turn_over(self, fact: Event) -> bool:
        """Long enough silence, and words; after waiting for the recogniser in vain, partial words will do."""
        context = self._context
        if isinstance(fact, SttFinal):
            text, confidence, enough = self._scene.words_of(fact), fact.confidence, context.silence_over
        else:
            text, confidence = context.text, context.confidence
            enough = context.final_known or (isinstance(fact, TimerFired) and fact.name == "final_wait")
        return enough and bool(self._scene.joined(text)) and not self._idle(text, confidence)

    def voice_on(self) -> bool:
        """The detector hears the caller now."""
        return self._context.voice_on

    def worth_going_on(self) -> bool:
        """A voice that does not end has brought new words since this was asked last, or it was never asked."""
        return len(self._context.text.split()) > self._context.words_before

    def some_words(self) -> bool:
        """The caller has said something in this turn."""
        return bool(self._scene.joined(self._context.text))

    def interruptible(self) -> bool:
        """The policy lets callers interrupt."""
        return self._policy.interruptible

    def pausable(self) -> bool:
        """The player can go on at the sample where it was paused."""
        return self._policy.pausable

    def lasting_voice(self) -> bool:
        """A voice alone is enough to believe the caller: no words are asked for, no echo is to be feared."""
        return self._context.voice_on and not self._scene.least_words and not self.echo_possible()

    def echo_possible(self) -> bool:
        """Our first sound is so recent that the voice may be our own."""
        speech = self._context.speech
        return speech is not None and self._context.now + EARLY_S < speech.started_at + self._policy.echo_warmup_s

    def interrupting_words(self, fact: Event) -> bool:
        """Words over our answer that mean more than "go on", and as many as the policy asks for."""
        return self._interrupting(self._scene.words_of(fact), self._scene.doubt_of(fact))

    def _interrupting(self, text: str, confidence: float) -> bool:
        if not self._policy.interruptible or self._scene.means_nothing(text, confidence):
            return False
        return len(f"{self._context.overlap_text} {text}".split()) >= self._scene.least_words

    def _idle(self, text: str, confidence: float) -> bool:
        """Words that were said over an answer which has played to its end since, and would not have stopped it."""
        return self._context.over_answer and not self._interrupting(text, confidence)


class AnswerGuards:
    """Questions about our answer."""

    __slots__ = ("_context", "_scene")

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._context = scene.context

    def intent_open(self, fact: Event) -> bool:
        """The intent of this turn is not known yet, and this is about it."""
        ours = not isinstance(fact, (IntentDetected, IntentFailed)) or fact.request_id in ("", self._request("intent"))
        return ours and self._answering() and not self._context.intent

    def wanted(self, fact: Event) -> bool:
        """A result of this turn's retrieval that is still awaited."""
        context = self._context
        ours = getattr(fact, "request_id", "") in ("", self._request("answer"))
        needed = not context.intent or context.intent in RETRIEVED_INTENTS
        return ours and self._answering() and needed and not context.retrieved and not context.late

    def intent_known(self) -> bool:
        """It is known what kind of thing was said."""
        return bool(self._context.intent)

    def nothing_to_say(self, fact: Event) -> bool:
        """The whole answer is known, and it is empty."""
        context = self._context
        intent = self._scene.intent_after(fact)
        if intent not in RETRIEVED_INTENTS or context.late or (context.speech and context.speech.text):
            return False
        last = isinstance(fact, RagAnswerReady) and fact.is_final and not fact.text.strip() and self.wanted(fact)
        return (context.retrieved or last) and not any(sentence.text for sentence in context.sentences)

    def filler_wanted(self) -> bool:
        """Nothing is with the voice yet, and there is a filler for this that was not said last."""
        return self._context.speech is None and bool(self._scene.filler)

    def late(self) -> bool:
        """We have already said that the answer is late."""
        return self._context.late

    def of_speech(self, fact: Event) -> bool:
        """About what we are saying now."""
        speech = self._context.speech
        if speech is None:
            return False
        if isinstance(fact, (TtsChunkReady, TtsDone, TtsFailed)) and fact.request_id:
            return any(line.request_id == fact.request_id for line in speech.lines)
        return getattr(fact, "kind", speech.kind) == speech.kind

    def another_voice(self, fact: Event) -> bool:
        """There is another voice to ask."""
        return isinstance(fact, TtsFailed) and fact.voices_left > 0

    def guessing(self, fact: Event) -> bool:
        """About the answer to words that may not be the last."""
        if not self._context.guess or fact.turn != self._context.turn + 1:
            return False
        # A failure may be that of an earlier guess, which was given up.
        return not isinstance(fact, RagFailed) or fact.request_id in ("", self._request("answer"))

    def of_cut(self, fact: Event) -> bool:
        """The report of what was heard of an answer that was cut."""
        cut = self._context.cut
        if cut is None or not isinstance(fact, PlaybackDone):
            return False
        return (fact.turn, fact.kind) == (cut.speech.turn, cut.speech.kind)

    def of_filler(self, fact: Event) -> bool:
        """The filler was played."""
        return isinstance(fact, PlaybackDone) and fact.kind == "filler"

    def all_composed(self) -> bool:
        """The last sentence of our answer is with the voice."""
        return self._context.speech is not None and self._context.speech.composed

    def all_sent(self) -> bool:
        """The last sample of our answer is with the client."""
        return self._context.speech is not None and self._context.speech.synthesised

    def played_out(self, fact: Event) -> bool:
        """The client has played all there is, or cut it."""
        speech = self._context.speech
        if speech is None or not isinstance(fact, PlaybackDone):
            return False
        return speech.synthesised or (fact.played_s is not None and fact.played_s < speech.sent_s - _CUT_S)

    def still_audible(self) -> bool:
        """We gave up waiting for the end of an answer that the client is still playing."""
        cut = self._context.cut
        return cut is not None and cut.speech.reported and not cut.interrupted and not self._context.detached

    def _request(self, what: str) -> str:
        return f"{self._scene.answer_turn}.{what}{self._context.asked}"

    def _answering(self) -> bool:
        """A turn is open, or one is guessed."""
        return self._context.turn_open or bool(self._context.guess)
