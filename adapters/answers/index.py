"""Finds the passages that speak of a question's terms."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence, Set
from difflib import SequenceMatcher

import numpy as np
import numpy.typing as npt
from msgspec import Struct
from rank_bm25 import BM25Plus

from adapters.answers.calendar import calendar_terms
from adapters.answers.english import MEASURE_WORDS
from adapters.answers.passages import Passage
from adapters.answers.terms import related_terms, sound_of, stem, terms_of, words_of

__all__ = ["RELATED_CREDIT", "AskedTerm", "Hit", "PassageIndex"]

RELATED_CREDIT = 0.8
"""Credit of a word that answers the asked one: "opened" for "old"."""

_PREFIX_CREDIT = 0.85
_PREFIX_SHARE = 0.75
"""Share of an unknown word that a known one must be to count as its shorter form: nobody asks of a "country" what is
said of a "count".
"""
_SIMILAR_CHARS = 5
"""Shortest stems that are taken for one another: among shorter ones too many real words are alike."""

_DOING_CHARS = 4
"""Shortest stem of a verb whose doer is known by its ending: "tow" is not what a tower does."""

_ALIKE_RATIO = 0.75
"""Similarity from which an unknown word counts as a known one that was misheard (`difflib`'s ratio)."""

_WEIGHT_FLOOR = 0.6
"""Least weight of an asked word. By its rarity alone a word that is in every passage would weigh nothing, and a
question that shares nothing else with the folder would be thought answered or not by chance."""

_UNKNOWN_WEIGHT = 1.2
"""Weight of an asked word that stands in no passage: more than the rarest one's, since nothing can be said of it."""

_CLOSE = 0.75
"""Passages are compared by BM25 if they cover this share of what the best one covers."""

_MEASURES = frozenset(map(stem, MEASURE_WORDS.split()))
_HYPHENATED = re.compile(r"\b\w+(?:-\w+)+")

_Bits = npt.NDArray[np.float64]


class AskedTerm(Struct, frozen=True):
    """A word of the question as this folder knows it."""

    weight: float
    """How much it tells, 0.6 (it is in every passage) to 1.2 (in none)."""
    credits: Mapping[str, float]
    """The folder's terms that may answer it, and how well each does, 0 to 1."""
    is_measure: bool = False
    """Whether it asks for a figure: "old" in "how old"."""

    def best(self, terms: Collection[str]) -> float:
        """Return how well the best of some terms answers this one, 0 to 1."""
        return max((credit for term, credit in self.credits.items() if term in terms), default=0.0)

    def named(self, terms: Collection[str]) -> float:
        """Return the same for headings: a related word there ("Building" for "old") makes no topic of this one."""
        credit = self.best(terms)
        return 0.0 if credit == RELATED_CREDIT else credit


class Hit(Struct, frozen=True):
    """A passage that may hold the answer."""

    position: int
    relevance: float
    """How well it fits, as a share of the best (0 to 1)."""


class PassageIndex:
    """The passages of a folder, searchable.

    Args:
        passages: At least one.
    """

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.passages = passages
        titles: dict[str, frozenset[str]] = {}
        self.title_terms = [
            [titles.setdefault(heading, frozenset(_terms(heading))) for heading in passage.headings]
            for passage in passages
        ]
        """Terms of each heading of each passage, from the outermost to the nearest."""
        self.heading_terms = [frozenset().union(*headings) for headings in self.title_terms]
        self.title_words = [frozenset(map(stem, words_of(passage.headings[-1]))) for passage in passages]
        bodies = [
            [
                [*_terms(sentence), *calendar_terms(sentence), *_terms(" ".join(passage.columns))]
                for sentence in passage.sentences
            ]
            for passage in passages
        ]
        self.sentence_terms = [[frozenset(terms) for terms in body] for body in bodies]
        texts = [
            [*headings, *(term for terms in body for term in terms)]
            for headings, body in zip(self.heading_terms, bodies, strict=True)
        ]
        # Okapi's weights are zero or less for words in half of the passages or more, hence for every word of a small
        # folder; those of BM25+ never are. An empty passage's length of 0 would divide by zero.
        self._bm25 = BM25Plus([text or [""] for text in texts])
        postings: dict[str, list[int]] = {}
        for position, text in enumerate(texts):
            for term in set(text):
                postings.setdefault(term, []).append(position)
        self._postings = {term: np.array(positions) for term, positions in postings.items()}
        self._vocabulary = sorted(postings)
        self._by_sound: dict[str, list[str]] = {}
        for term in self._vocabulary:
            self._by_sound.setdefault(sound_of(term), []).append(term)

    def opens_section(self, position: int) -> bool:
        """Return whether a passage is the first under its headings."""
        here, before = self.passages[position], self.passages[position - 1] if position else None
        return before is None or (before.source, before.headings) != (here.source, here.headings)

    def understand(self, terms: Sequence[str]) -> list[AskedTerm]:
        """Return a question's terms as this folder knows them; words that it writes as one are taken as one."""
        asked: list[AskedTerm] = []
        joined = False
        for term, following in zip(terms, [*terms[1:], ""], strict=False):
            if joined:
                joined = False
                continue
            both = stem(term + following)
            joined = bool(following) and both in self._postings and not {term, following} <= self._postings.keys()
            asked.append(self._ask(both if joined else term))
        return asked

    def _ask(self, term: str) -> AskedTerm:
        answering = {other: RELATED_CREDIT for other in related_terms(term) if other in self._postings}
        answering |= {other: _PREFIX_CREDIT for other in _doers(term) if other in self._postings}
        if term in self._postings:
            answering[term] = 1.0
        else:
            answering = self._similar(term) | answering
        if not answering:
            return AskedTerm(_UNKNOWN_WEIGHT, answering)
        found = sum(len(self._postings[other]) for other in ([term] if term in self._postings else answering))
        total = len(self.passages)
        rarity = math.log((total + 1) / min(found, total)) / math.log(total + 1)
        return AskedTerm(max(rarity, _WEIGHT_FLOOR), answering, term in _MEASURES)

    def _similar(self, term: str) -> dict[str, float]:
        """Return known terms for an unknown one: longer and shorter forms, and what sounds like it."""
        if len(term) < _SIMILAR_CHARS:
            return {}
        similar = {
            other: ratio
            for other in self._by_sound.get(sound_of(term), [])
            if len(other) >= _SIMILAR_CHARS and (ratio := SequenceMatcher(None, term, other).ratio()) >= _ALIKE_RATIO
        }
        place = bisect_left(self._vocabulary, term)
        for other in self._vocabulary[place : place + 10]:
            if other.startswith(term):
                similar[other] = _PREFIX_CREDIT
        for length in range(max(_SIMILAR_CHARS, math.ceil(_PREFIX_SHARE * len(term))), len(term)):
            if term[:length] in self._postings:
                similar[term[:length]] = _PREFIX_CREDIT
        return similar

    def search(self, asked: Sequence[AskedTerm], *, limit: int) -> list[Hit]:
        """Return the passages that cover most of what is asked, best first by coverage and BM25 together."""
        coverage = self._coverage(asked)
        best = float(coverage.max(initial=0.0))
        if best <= 0:
            return []
        near = np.flatnonzero(coverage >= _CLOSE * best)
        query = list({term for each in asked for term in each.credits})
        relevance = np.array(self._bm25.get_batch_scores(query, near.tolist()))
        relevance /= max(float(relevance.max()), 1e-9)
        order = np.argsort(-(coverage[near] / best + 0.5 * relevance), kind="stable")[:limit]
        return [Hit(int(near[place]), float(relevance[place])) for place in order]

    def _coverage(self, asked: Sequence[AskedTerm]) -> _Bits:
        coverage = np.zeros(len(self.passages))
        for each in asked:
            credit = np.zeros(len(self.passages))
            for term, value in each.credits.items():
                found = self._postings[term]
                credit[found] = np.maximum(credit[found], value)
            coverage += each.weight * credit
        return coverage

    def titled(self, words: Set[str], *, likeness: float) -> Hit | None:
        """Return the first passage under the nearest heading that is made of about the same words.

        Args:
            words: Stems of all words, stop words included: they are all that "who are you" has.
            likeness: Least Dice coefficient of the two sets of words; the hit's relevance.
        """
        best: Hit | None = None
        for position, title in enumerate(self.title_words):
            score = 2 * len(words & title) / (len(words) + len(title) or 1)
            if score >= likeness and (best is None or score > best.relevance):
                best = Hit(position, score)
        return best


def _doers(term: str) -> set[str]:
    """Return the stems of who does a thing, or of what they do: "visitor" for "visit", "climb" for "climber"."""
    if len(term) < _DOING_CHARS:
        return set()
    doing = {term[:-2], term[:-1]} if term.endswith(("er", "or")) and len(term) > _DOING_CHARS + 1 else set()
    return {f"{term}er", f"{term}or", f"{term}r" if term.endswith("e") else ""} | doing - {""}


def _terms(text: str) -> list[str]:
    """Return the terms of a document's text; "barge-in" is also found as "bargein"."""
    compounds = (stem("".join(words_of(word))) for word in _HYPHENATED.findall(text))
    return [*terms_of(text), *compounds]
