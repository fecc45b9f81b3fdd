"""What the caller meant, and what to answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from statecharts.events import VoicechartError

__all__ = ["Answerer", "IntentClassifier", "IntentName", "Judgement", "KnowledgeMissing", "Sentence"]

IntentName: TypeAlias = Literal["greeting", "goodbye", "thanks", "help", "repeat", "stop", "yes", "no", "question"]


class KnowledgeMissing(VoicechartError):
    """The knowledge folder does not exist or holds nothing that can be read."""


class Judgement(Struct, frozen=True, kw_only=True):
    """What kind of thing was said, and how sure that is (0 to 1)."""

    intent: IntentName
    confidence: float


class Sentence(Struct, frozen=True, kw_only=True):
    """One sentence of an answer."""

    text: str
    source: str = ""
    """File the sentence was taken from, relative to the knowledge folder; empty when nothing was found."""
    score: float = 0.0
    is_final: bool = False


class IntentClassifier(Protocol):
    """Pure and quick: called on a worker's event loop."""

    def classify(self, text: str) -> Judgement:
        """Judge one utterance; anything that is not clearly something else is a question."""


class Answerer(Protocol):
    """Finds the answer in what it knows."""

    def answer(self, text: str) -> AsyncIterator[Sentence]:
        """Yield the answer sentence by sentence, as each is known, the last one final; never nothing.

        Below the threshold one sentence says honestly that it does not know, with an empty source.
        """
