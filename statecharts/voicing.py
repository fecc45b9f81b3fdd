"""What is done when a voice fails: the next one says the rest, and when none is left the text alone goes out."""

from __future__ import annotations

from statecharts.effects import Medium, Speak
from statecharts.events import Event, TtsFailed
from statecharts.scene import Scene
from statecharts.speech import Line

__all__ = ["Voicing"]


class Voicing:
    """Actions on what a voice could not say."""

    __slots__ = ("_context", "_scene")

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._context = scene.context

    def speak_again(self, fact: Event) -> None:
        """Have it said by the next voice, and all the rest of the call: changing back and forth would be heard."""
        self._context.voice += 1
        self._say_rest(fact, "voice")

    def say_in_text(self, fact: Event) -> None:
        """No voice is left: the rest of what is being said is shown, and not heard."""
        self._say_rest(fact, "text")

    def _say_rest(self, fact: Event, medium: Medium) -> None:
        """Ask once more for the sentence that failed and those after it.

        One whose beginning was heard is not begun again: the caller would hear it twice.
        """
        speech = self._context.speech
        if speech is None:
            return
        failed = fact.request_id if isinstance(fact, TtsFailed) else ""
        for line in speech.lines:
            line.missing = line.missing or (line.request_id == failed and line.audio_s > 0)
        rest = [line for line in speech.lines if not line.audio_s]
        if not rest and speech.composed:
            rest = [Line("", "")]  # nothing more is to be said; the voice has to end it
            speech.lines += rest
        for line in rest:
            line.missing = medium == "text" and bool(line.text)
            line.request_id = self._scene.next_request(speech)
            is_final = speech.composed and line is speech.lines[-1]
            self._scene.emit(
                Speak(
                    speech.turn, line.text, is_final, speech.kind, line.request_id, bool(self._context.guess),
                    self._context.voice, medium, True,
                )
            )  # fmt: skip
