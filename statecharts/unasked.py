"""What we say without having been asked: a greeting, a prompt, "are you still there?", "sorry, say that again".

It is asked of the voice in LISTENING.quiet, where the floor stays the caller's until its first sound: whoever is faster
is not talked over. What is said beside the turns has a number of its own, since a turn holds one prompt and one apology
at most; but for the greeting, which comes before the first.
"""

from __future__ import annotations

from statecharts.effects import CancelSpeech, Speak
from statecharts.events import Kind
from statecharts.guessing import Guessing
from statecharts.phrases import Variants
from statecharts.scene import Scene
from statecharts.speaking import Speaking
from statecharts.speech import Line, Speech

__all__ = ["Unasked"]


class Unasked:
    """Actions on what we say of our own accord."""

    __slots__ = ("_context", "_guessing", "_phrases", "_policy", "_scene", "_speaking", "_timers")

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._context = scene.context
        self._policy = scene.policy
        self._phrases = scene.phrases
        self._timers = scene.timers
        self._guessing = Guessing(scene)
        self._speaking = Speaking(scene)

    def await_greeting(self) -> None:
        """A call begins: the caller is greeted, unless they are faster."""
        self._context.prompts_left, self._context.asked_there = 0, False
        if self._policy.greeting_after_s > 0 and self._phrases.greeting:
            self._timers.start("greeting", self._policy.greeting_after_s)

    def on_enter_quiet(self) -> None:
        """Nobody speaks: wait for somebody, and do not let the silence last for ever."""
        context, policy = self._context, self._policy
        self._guessing.forget_words()
        self._timers.start("away", policy.still_there_s if context.asked_there else policy.away_s)
        if context.speech is not None:
            return  # something is about to be said
        if context.prompts_left and self._phrases.prompt:
            self._timers.start("prompt", policy.prompt_after_s)
        if policy.still_there_s > 0 and not context.asked_there and self._phrases.still_there:
            self._timers.start("still_there", policy.away_s - policy.still_there_s)

    def on_exit_quiet(self) -> None:
        """Somebody did something."""
        self._timers.cancel("away", "greeting", "prompt", "still_there")

    def greet(self) -> None:
        """Say the greeting."""
        self._say(self._phrases.greeting, "greeting")

    def offer_floor(self) -> None:
        """Offer the floor once more."""
        self._context.prompts_left -= 1
        self._open_number()
        self._say(self._phrases.prompt, "prompt")

    def ask_still_there(self) -> None:
        """Ask whether anybody is there before giving the caller up."""
        self._context.asked_there = True
        self._open_number()
        self._say(self._phrases.still_there, "prompt")

    def ask_again(self) -> None:
        """The words could not be recognised: say so, if somebody is there to hear it."""
        if self._context.detached or not self._phrases.not_heard:
            return
        self._guessing.drop_guess()
        self._open_number()
        self._say(self._phrases.not_heard, "apology")

    def skip_unasked(self) -> None:
        """Leave what was not heard yet: the caller was faster, or it never came."""
        speech = self._context.speech
        if speech is not None:
            self._context.speech = None
            self._scene.emit(CancelSpeech(speech.turn, "too late to say it unasked"))

    def end_unheard(self) -> None:
        """Nothing of it could be heard; its text was shown."""
        self._context.speech = None

    def _open_number(self) -> None:
        self._speaking.silence_rest()
        self._context.turn += 1
        self._context.user_text = ""

    def _say(self, variants: Variants, kind: Kind) -> None:
        context, text = self._context, self._scene.phrase(variants)
        request_id = f"{context.turn}.{kind}"
        context.speech = Speech(context.turn, kind=kind, lines=[Line(request_id, text)], composed=True)
        self._scene.emit(Speak(context.turn, text, True, kind, request_id, voice=context.voice))
