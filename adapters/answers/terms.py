"""Turns text into the terms that questions and passages are compared by."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

import snowballstemmer

from adapters.answers.english import IRREGULAR_FORMS, NUMBER_WORDS, RELATED_WORDS, STOP_WORDS

__all__ = ["is_stop_word", "related_terms", "sound_of", "stem", "terms_of", "words_of"]

_WORD = re.compile(r"\d+(?:[.,:]\d+)*[^\W_]*|[^\W_]+(?:'[^\W_]+)*")
_MAX_CHARS = 40
"""Longest word that is told from others by all its letters; what is longer is no word but data."""

_CONTRACTED = re.compile(r"(?:n't|'(?:s|re|ll|ve|d|m))$")
_MARKS = re.compile(r"[\u0300-\u036f]")


_STOP_WORDS = frozenset(STOP_WORDS.split())
_BASES = {form: forms[0] for forms in map(str.split, IRREGULAR_FORMS.split(";")) for form in forms[1:]}
_NUMBERS = {word: str(value) for value, word in enumerate(NUMBER_WORDS.split())}


@lru_cache(maxsize=200_000)
def stem(word: str) -> str:
    """Return the stem of a folded word; a number word becomes its digits."""
    if word in _NUMBERS:
        return _NUMBERS[word]
    # A stemmer keeps the word it works on in itself: one of its own for each call lets threads share this function.
    return str(snowballstemmer.stemmer("english").stemWord(_BASES.get(word, word)))


def words_of(text: str) -> list[str]:
    """Return the words of a text, folded: no case, no accents, no contractions, no thousands separators."""
    text = text.casefold().replace("’", "'")
    if not text.isascii():
        text = _MARKS.sub("", unicodedata.normalize("NFKD", text))
    return [_fold(word) for word in _WORD.findall(text)]


def _fold(word: str) -> str:
    word = word[:_MAX_CHARS]
    if word[0].isdigit():
        return word.replace(",", "")
    return _CONTRACTED.sub("", word).replace("'", "") if "'" in word else word


def is_stop_word(word: str) -> bool:
    """Return whether a folded word says nothing about a subject."""
    return word in _STOP_WORDS


def terms_of(text: str) -> list[str]:
    """Return the stems of a text's words, stop words left out, in order."""
    return [stem(word) for word in words_of(text) if word not in _STOP_WORDS]


def _relations(lines: Iterable[str]) -> dict[str, frozenset[str]]:
    related: dict[str, frozenset[str]] = {}
    for line in lines:
        asked, _, answering = line.partition(":")
        term = stem(asked)
        related[term] = related.get(term, frozenset()) | {stem(word) for word in answering.split()} - {term}
    return related


_RELATED_TERMS = _relations(RELATED_WORDS.strip().splitlines())


def related_terms(term: str) -> frozenset[str]:
    """Return the terms by which the answer to a question with this term may be recognised."""
    return _RELATED_TERMS.get(term, frozenset())


_ALIKE = str.maketrans("ckqzgvdmp", "kkksjftnb")
_SILENT = frozenset("aeiouyw")


def sound_of(word: str) -> str:
    """Return a key that words of about the same sound share: their first sound and the set of their consonants."""
    word = word.replace("ph", "f").translate(_ALIKE)
    first = "a" if word[:1] in _SILENT else word[:1]
    return first + "".join(sorted(set(word[1:]) - _SILENT))
