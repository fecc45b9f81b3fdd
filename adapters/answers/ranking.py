"""Judges how well single sentences answer a question, and which two belong together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set

from msgspec import Struct

from adapters.answers.index import RELATED_CREDIT, AskedTerm, Hit, PassageIndex
from adapters.answers.questions import Question, continues, gives
from adapters.answers.terms import terms_of

__all__ = ["FoundSentence", "rank_sentences", "singled_out", "title_fit", "with_second"]

_ADJACENT, _ELSEWHERE = 0.9, 0.6
"""How far a word in a neighbouring sentence, or further off in the passage, counts as said of this one. Headings count
in full."""

_RANK_HEADING, _RANK_ADJACENT, _RANK_ELSEWHERE = 0.6, 0.5, 0.3
"""The same when sentences compete: one that says a word itself beats one that only stands near it."""

_COVERAGE_BONUS = 0.2
"""What is added to the rank of a sentence that, with what surrounds it, speaks of all that is asked."""

_FORM_BONUS, _TITLE_BONUS, _SAME_QUESTION_BONUS = 0.25, 0.4, 0.5
_OPENING_BONUS, _RELEVANCE_BONUS, _HINT_BONUS, _FIRST_BONUS = 0.2, 0.2, 0.2, 0.03
"""What is added to a rank of 0 to 1: for a date where one is asked for, for a heading of just the asked terms, for one
that is the question itself; for opening with the thing to be defined, for the passage's BM25 score, for the question's
lesser words, for opening the passage."""

_SECTION_BONUS = 0.2
"""The same for standing first under a heading of just the asked terms."""

_BARE = re.compile(r"(?:yes|no|maybe|perhaps|of course|certainly|sure)\W*$", re.IGNORECASE)
_BARE_MALUS = 0.3
"""Taken from the rank of a sentence that says nothing alone."""

_FORMLESS = 0.5
"""Share of their credit that measures and related words keep without the form of answer that is asked for."""

_OPENING_WORDS = 3
"""Words that may stand around a thing at the opening of the sentence that defines it."""

_CONTINUED_WORDS = 30
"""Longest sentence, in words, after which another is spoken only because it goes on about the same thing."""

_STEPS_FIT = 0.6
"""How nearly a heading has to be the thing asked for, for what stands under it to be its steps: two are spoken."""

_FIGURES = frozenset({"duration", "frequency", "clock", "price", "number"})
"""What a question may expect that is told in one sentence: no second one goes on about something else."""

_REACH = 2
"""How many sentences apart two may be that are spoken together."""


class FoundSentence(Struct, frozen=True):
    """A sentence of a passage, and how well it answers."""

    position: int
    place: int
    rank: float
    coverage: float
    """Share of the question that it and what surrounds it speak of, 0 to 1."""


def rank_sentences(
    index: PassageIndex, hit: Hit, question: Question, asked: Sequence[AskedTerm]
) -> Iterator[FoundSentence]:
    """Yield the sentences of a passage with how well each answers the question."""
    sentences = index.passages[hit.position].sentences
    fits = [gives(sentence, question.expected) for sentence in sentences]
    said = _said(index, hit, question, asked)
    headed = [term.named(index.heading_terms[hit.position]) for term in asked]
    anywhere = [max(column) for column in zip(*said, strict=True)]
    total = sum(term.weight for term in asked)
    fit = title_fit(index, hit.position, asked)
    # What stands under a heading of just the asked words speaks of them without repeating them.
    heading_credit = max(_RANK_HEADING, fit**2, question.manner in ("description", "topic"))
    same = _likeness(index.title_words[hit.position], question.words) ** 2
    passage_bonus = _RELEVANCE_BONUS * hit.relevance + _TITLE_BONUS * fit**2 + _SAME_QUESTION_BONUS * same
    passage_bonus += _SECTION_BONUS if fit == 1.0 and index.opens_section(hit.position) else 0.0
    # Under a question stands its answer, and begins with what matters.
    first_bonus = _FIRST_BONUS * (1 + 9 * same)
    for place, sentence in enumerate(sentences):
        beside = [max(column) for column in zip(*said[max(place - 1, 0) : place + 2], strict=True)]
        coverage = rank = 0.0
        for term, direct, near, far, head in zip(asked, said[place], beside, anywhere, headed, strict=True):
            coverage += term.weight / total * max(direct, head, _ADJACENT * near, _ELSEWHERE * far)
            rank += (
                term.weight / total * max(direct, heading_credit * head, _RANK_ADJACENT * near, _RANK_ELSEWHERE * far)
            )
        rank += passage_bonus + (first_bonus if place == 0 else 0.0) - (_BARE_MALUS if _BARE.match(sentence) else 0.0)
        rank += _COVERAGE_BONUS * coverage
        rank += _FORM_BONUS if fits[place] else 0.0
        rank += _HINT_BONUS if index.sentence_terms[hit.position][place].intersection(question.hints) else 0.0
        if question.manner in ("definition", "description") and _opens_with(sentence, asked, headed):
            rank += _OPENING_BONUS
        yield FoundSentence(hit.position, place, rank, coverage)


def _said(index: PassageIndex, hit: Hit, question: Question, asked: Sequence[AskedTerm]) -> list[list[float]]:
    """Return, for each sentence of a passage, how well it speaks of each asked term, 0 to 1.

    "It" and "they" speak of what the sentence before speaks of. A measure and a related word count less without the
    form of answer that is asked for, as do "old" and "open" in answer to "how old" where no date is given.
    """
    said: list[list[float]] = []
    before = [0.0] * len(asked)
    passage = index.passages[hit.position]
    for sentence, terms in zip(passage.sentences, index.sentence_terms[hit.position], strict=True):
        formless = bool(question.expected) and not gives(sentence, question.expected)
        direct = [
            credit * _FORMLESS if formless and (credit == RELATED_CREDIT or term.is_measure) else credit
            for term, credit in ((term, term.best(terms)) for term in asked)
        ]
        inherited = _ADJACENT if continues(sentence) else 0.0
        before = [max(credit, inherited * earlier) for credit, earlier in zip(direct, before, strict=True)]
        said.append(before)
    return said


def title_fit(index: PassageIndex, position: int, asked: Sequence[AskedTerm]) -> float:
    """Return how nearly a heading is made of the asked terms, 0 to 1 (Dice coefficient).

    Terms of other headings need not be in it: "Opening hours" under "Museum" fits "when does the museum open" well.
    """
    best = 0.0
    for title in index.title_terms[position]:
        said = [credit for term in asked if (credit := term.named(title))]
        elsewhere = index.heading_terms[position] - title
        unsaid = sum(1 for term in asked if not term.named(title) and not term.named(elsewhere))
        best = max(best, 2 * sum(said) / (len(title) + len(said) + unsaid or 1))
    return best


def _likeness(first: Set[str], second: Set[str]) -> float:
    return 2 * len(first & second) / (len(first) + len(second) or 1)


def _opens_with(sentence: str, asked: Sequence[AskedTerm], headed: Sequence[float]) -> bool:
    opening = frozenset(terms_of(" ".join(sentence.split()[: len(asked) + _OPENING_WORDS])))
    opened = [term.best(opening) for term in asked]
    return any(opened) and all(map(max, zip(opened, headed, strict=True)))


def singled_out(index: PassageIndex, found: FoundSentence, asked: Sequence[AskedTerm]) -> bool:
    """Return whether a row of a table says more of what was asked than some other row does."""
    rows = index.sentence_terms[found.position]
    return any(term.best(rows[found.place]) > min(map(term.best, rows)) for term in asked)


def with_second(
    index: PassageIndex, found: FoundSentence, question: Question, asked: Sequence[AskedTerm]
) -> tuple[int, ...]:
    """Return the places of the one or two sentences to speak, in their order in the passage.

    A second sentence says more of what was asked, or follows and goes on about the same thing.
    """
    sentences = index.passages[found.position].sentences
    terms = index.sentence_terms[found.position]
    best = sentences[found.place]
    known = terms[found.place] | index.heading_terms[found.position]
    missing = [term for term in asked if term.best(known) == 0]
    awaits_form = bool(question.expected) and not gives(best, question.expected)

    def gain(place: int) -> float:
        said = sum(term.weight * term.best(terms[place]) for term in missing)
        fits = awaits_form and abs(place - found.place) == 1 and gives(sentences[place], question.expected)
        return said + (0.5 if fits else 0.0)

    reach = range(max(found.place - _REACH, 0), min(found.place + _REACH + 1, len(sentences)))
    second = max(reach, key=lambda place: (place != found.place) * gain(place))
    if second != found.place and gain(second) > 0:
        return (min(second, found.place), max(second, found.place))
    following = found.place + 1
    if following == len(sentences):
        return (found.place,)
    told = question.expected in _FIGURES and not awaits_form
    goes_on = continues(sentences[following]) and len(best.split()) <= _CONTINUED_WORDS and not told
    fit = title_fit(index, found.position, asked)
    steps = fit >= _STEPS_FIT if question.manner == "instruction" else question.manner == "definition" and fit == 1.0
    return (found.place, following) if best.endswith(":") or goes_on or steps else (found.place,)
