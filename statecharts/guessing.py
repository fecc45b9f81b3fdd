"""Speculation: while the caller may be done, the answer to what they said so far is already made.

What is guessed belongs to the turn that would come next. It is committed in one place, when that turn begins with the
same words (`Thinking.begin_turn`, the edge `committed`); otherwise it was never heard and never happened.
"""

from __future__ import annotations

from statecharts.effects import CancelSpeech, CancelTasks, CommitSpeech, RequestAnswer, RequestIntent, Speculated
from statecharts.scene import Scene

__all__ = ["Guessing", "same_words"]


class Guessing:
    """Actions on the answer to words that may not be the last."""

    __slots__ = ("_context", "_policy", "_scene")

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._context = scene.context
        self._policy = scene.policy

    def guess(self) -> None:
        """Ask for the answer to these words, as if they were all."""
        context = self._context
        text = self._scene.joined(context.text)
        if self._policy.speculation == "off" or not context.final_known or not text:
            return
        if context.guess and same_words(context.guess, text):
            return
        self.drop_guess()
        context.guess, context.guessed_at = text, context.now
        context.guesses += 1
        context.asked = f".g{context.guesses}"
        self.forget_answer()
        turn = context.turn + 1
        self._scene.emit(
            RequestIntent(turn, text, f"{turn}.intent{context.asked}", True),
            RequestAnswer(turn, text, f"{turn}.answer{context.asked}", True),
        )

    def drop_guess(self) -> None:
        """The words were not the last, or not these: what was made of them never happened."""
        context = self._context
        if not context.guess:
            return
        turn = context.turn + 1
        self._scene.emit(CancelTasks(turn))
        if context.speech is not None:
            self._scene.emit(CancelSpeech(turn, "guessed wrong"))
            context.speech = None
        self._scene.emit(Speculated(turn, False, round(context.now - context.guessed_at, 3)))
        context.guess = ""
        self.forget_answer()

    def claim_guess(self) -> None:
        """The words were these: what was made of them is the answer, and may be heard."""
        context = self._context
        self._scene.emit(Speculated(context.turn, True, round(context.now - context.guessed_at, 3)))
        if context.speech is not None:
            self._scene.emit(CommitSpeech(context.turn))

    def forget_words(self) -> None:
        """Begin with an empty page; words of a turn taken back stay."""
        context = self._context
        self.drop_guess()
        context.text, context.confidence, context.origin = "", 0.0, "voice"
        context.final_known = context.silence_over = False
        context.words_before = -1

    def forget_answer(self) -> None:
        """Know nothing of an answer yet."""
        context = self._context
        context.intent, context.sentences, context.retrieved, context.late = "", [], False, False
        context.requests = 0


def same_words(one: str, other: str) -> bool:
    """Return whether two texts are the same but for case, punctuation and spaces."""
    return _plain(one) == _plain(other)


def _plain(text: str) -> list[str]:
    kept = "".join(character if character.isalnum() or character == "'" else " " for character in text.lower())
    return kept.split()
