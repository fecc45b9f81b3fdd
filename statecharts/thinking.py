"""What is done to find the answer: asking, composing, apologising, and taking a turn back."""

from __future__ import annotations

from statecharts.context import Sentence
from statecharts.effects import (
    CancelFiller,
    CancelSpeech,
    CancelTasks,
    Playout,
    RequestAnswer,
    RequestIntent,
    ShowTranscript,
    Speak,
    TurnBegan,
    TurnEnded,
    Withdrawn,
)
from statecharts.events import Event, IntentDetected, Kind, RagAnswerReady, SpeechStopped, SttFinal
from statecharts.guessing import Guessing, same_words
from statecharts.scene import RETRIEVED_INTENTS, RaisesEvents, Scene
from statecharts.speaking import Speaking
from statecharts.speech import Line, Speech

__all__ = ["Patience", "Thinking"]


class Thinking:
    """Actions that lead from the caller's words to sentences of ours."""

    __slots__ = ("_context", "_guessing", "_policy", "_scene", "_speaking")

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._context = scene.context
        self._policy = scene.policy
        self._guessing = Guessing(scene)
        self._speaking = Speaking(scene)

    def begin_turn(self, machine: RaisesEvents, fact: Event) -> None:
        """Open the next turn: ask for intent and answer at the same time, unless just that was guessed already."""
        context, scene = self._context, self._scene
        self._speaking.silence_rest()
        text = scene.joined(scene.words_of(fact) if isinstance(fact, SttFinal) else context.text)
        guessed = bool(context.guess) and same_words(context.guess, text)
        if not guessed:
            self._guessing.drop_guess()
            if context.speech is not None:  # unasked, and not heard yet
                scene.emit_cancel_speech("the caller was faster")
                context.speech = None
        context.turn += 1
        if isinstance(fact, SttFinal):
            scene.emit(ShowTranscript(context.turn, text, True, fact.confidence, fact.origin))
        context.user_text, context.carried, context.text, context.guess = text, "", "", ""
        context.turn_open = True
        context.prompts_left, context.asked_there = 0, False
        scene.emit(TurnBegan(context.turn, text))
        context.final_known = context.silence_over = context.over_answer = False
        context.words_before = -1
        context.overlap_text = ""
        if guessed:
            machine.raise_("committed", fact=fact)
        else:
            self._ask(text)
        scene.timers.start("answer_deadline", self._policy.answer_deadline_s)
        if not context.intent:
            scene.timers.start("intent_wait", self._policy.intent_wait_s)
        if self._policy.filler_after_s > 0:
            scene.timers.start("filler", self._policy.filler_after_s)

    def _ask(self, text: str) -> None:
        context = self._context
        context.asked = ""
        self._guessing.forget_answer()
        self._scene.emit(
            RequestIntent(context.turn, text, f"{context.turn}.intent"),
            RequestAnswer(context.turn, text, f"{context.turn}.answer"),
        )

    def take_again(self, machine: RaisesEvents, fact: Event) -> None:
        """Let the same event be judged once more, where it has led to."""
        machine.raise_("stt_final", fact=fact)

    def take_intent(self, fact: Event) -> None:
        """Know what kind of thing was said; not knowing it any sooner, take it for a question."""
        context = self._context
        self._scene.timers.cancel("intent_wait")
        context.intent = self._scene.intent_after(fact)
        if isinstance(fact, IntentDetected) and context.intent not in RETRIEVED_INTENTS | {"repeat"}:
            self._answer_with(self._scene.phrase(self._scene.phrases.reply_to(context.intent)))

    def take_sentence(self, fact: RagAnswerReady) -> None:
        """Keep the next sentence of the answer."""
        text = fact.text.strip()
        self._context.retrieved = fact.is_final
        if text or fact.is_final:
            self._context.sentences.append(Sentence(text, fact.is_final, bool(fact.source)))

    def speak(self) -> None:
        """Say the sentences that are there, once it is known that they are wanted."""
        context = self._context
        if not context.intent or context.late:
            return
        if context.intent == "repeat" and context.speech is None:
            if context.cut is not None:
                return  # what was heard is not known yet
            self._answer_with(context.last_heard or self._scene.phrase(self._scene.phrases.nothing_to_repeat))
        helpless = context.intent == "help" and context.sentences and not context.sentences[0].found
        if helpless and context.speech is None and context.retrieved:
            self._answer_with(self._scene.phrase(self._scene.phrases.help))
        elif helpless and context.speech is None:
            return
        ready, context.sentences = context.sentences, []
        for sentence in ready:
            if sentence.text or (context.speech is not None and not context.speech.composed):
                self._say(sentence.text, sentence.is_final, "answer")

    def speak_ahead(self) -> None:
        """Have the sentences spoken that are there, for nobody to hear yet."""
        if self._policy.speculation == "voice":
            self.speak()

    def end_answer(self) -> None:
        """No more sentences will come: what was said so far is the answer."""
        self._context.retrieved = True
        if self._context.speech is not None and not self._context.speech.composed:
            self._say("", True, "answer")

    def apologise(self) -> None:
        """Say that there is no answer; the floor goes back after it."""
        context = self._context
        context.late = True
        self._scene.timers.cancel("intent_wait", "filler")
        self._scene.emit(CancelTasks(context.turn))
        if context.speech is not None:
            self._scene.emit_cancel_speech("too late")
            context.speech = None
        self._say(self._scene.phrase(self._scene.phrases.apology), True, "apology")
        self._scene.timers.start("answer_deadline", self._policy.apology_wait_s)

    def say_filler(self) -> None:
        """Bridge the silence; the filler gives way to the first sound of what it bridges to."""
        context = self._context
        context.last_filler = self._scene.filler
        request_id = f"{context.turn}.filler"
        self._scene.emit(Speak(context.turn, context.last_filler, True, "filler", request_id, voice=context.voice))

    def _answer_with(self, text: str) -> None:
        context = self._context
        context.sentences, context.retrieved = [Sentence(text, True, True)], True
        self._scene.emit(CancelTasks(self._scene.answer_turn))

    def _say(self, text: str, is_final: bool, kind: Kind) -> None:
        context, turn = self._context, self._scene.answer_turn
        if context.speech is None or context.speech.kind != kind:
            context.speech = Speech(turn, kind=kind)
        speech = context.speech
        in_text = speech.in_text
        speech.lines.append(Line(self._scene.next_request(speech), text, missing=in_text and bool(text)))
        speech.composed = is_final
        self._scene.emit(
            Speak(
                turn, text, is_final, kind, speech.lines[-1].request_id, bool(context.guess),
                context.voice, "text" if in_text else "voice",
            )
        )  # fmt: skip


class Patience:
    """Actions when a turn does not lead to speech: holding back, taking back, giving up."""

    __slots__ = ("_context", "_scene", "_speaking", "_timers")

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._context = scene.context
        self._timers = scene.timers
        self._speaking = Speaking(scene)

    def hold(self) -> None:
        """Say nothing until it is known what the caller's sound was; the work goes on."""
        self._scene.emit(Playout(self._context.turn, "pause"))
        self._timers.cancel("filler")
        self._scene.await_lasting_voice()
        self._timers.start("interrupt_max", self._scene.policy.interrupt_max_s)

    def stop_filler(self) -> None:
        """The filler has done its work; an answer that is already on its way stays."""
        self._scene.emit(CancelFiller(self._context.turn, "it is not needed any more"))

    def hold_on(self) -> None:
        """The caller makes a sound once more."""
        self._timers.cancel("end_of_turn")
        self._scene.await_lasting_voice()

    def await_no_more(self, fact: SpeechStopped) -> None:
        """The sound has stopped: quiet for the end of a turn means that it was nothing."""
        self._timers.cancel("barge_in_speech")
        self._timers.start("end_of_turn", self._scene.policy.end_of_turn_s - fact.silence_s)

    def release(self) -> None:
        """It was nothing: what is ready may be spoken."""
        self.stop_holding()
        self._scene.emit(Playout(self._context.turn, "resume"))

    def stop_holding(self) -> None:
        """Forget the timers of the sound."""
        self._timers.cancel("barge_in_speech", "end_of_turn", "interrupt_max")

    def withdraw(self) -> None:
        """Take the turn back: it never happened, its words begin the next one."""
        context = self._context
        self.stop_holding()
        self._timers.cancel("answer_deadline", "intent_wait")
        context.carried = context.user_text
        if context.speech is not None:
            self._speaking.stop_speech("withdrawn", interrupted=False, withdrawn=True)
            return
        context.turn_open = False
        self._scene.emit(CancelTasks(context.turn), CancelSpeech(context.turn, "withdrawn"), Withdrawn(context.turn))
        self._scene.emit(TurnEnded(context.turn, context.user_text, "", "", False, True))

    def stay_silent(self) -> None:
        """The turn ends without a sound of ours."""
        context = self._context
        self.stop_holding()
        self._timers.cancel("answer_deadline", "intent_wait", "filler")
        self._scene.emit(CancelTasks(context.turn))
        text = context.speech.text if context.speech is not None else ""
        if context.speech is not None:
            self._scene.emit_cancel_speech("no sound came")
            context.speech = None
        context.turn_open = False
        self._scene.emit(TurnEnded(context.turn, context.user_text, text, "", False, False))
