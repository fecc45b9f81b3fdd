"""Our own words in what the caller's microphone hears, where nothing cancels the echo."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

__all__ = ["plain_words", "without_ours"]

RUN_WORDS = 2
"""So many words in a row that we say as well are our echo, where nothing of the caller's goes before them."""
LONG_RUN_WORDS = 4
"""So many are so wherever they stand: fewer may be what the caller asks about."""


def without_ours(text: str, ours: str, least_words: int) -> str:
    """Return what of the words is the caller's: the stretches that lie before, between and after our own.

    Args:
        text: Words that were recognised while we spoke, and what was said to the end of that utterance.
        ours: What we were saying.
        least_words: A stretch with fewer words than this is ours, misheard.
    """
    tokens = [token for token in text.split() if plain_words(token)]
    said, own = _comparable(tokens), _comparable(ours.split())
    runs = SequenceMatcher(None, said, own, autojunk=False).get_matching_blocks()
    kept: list[str] = []
    begin = 0
    for run in runs:  # the last one is empty, and lies at the end
        end = run.a + run.size
        if 0 < run.size < RUN_WORDS:
            continue
        if run.a - begin >= least_words:
            kept += tokens[begin : run.a if run.size >= LONG_RUN_WORDS else end]
        begin = end
    return " ".join(kept)


def _comparable(tokens: Sequence[str]) -> list[str]:
    return ["".join(plain_words(token)) for token in tokens]


def plain_words(text: str) -> Sequence[str]:
    """Return the words of a text in small letters, without punctuation; no letter stands more than twice in a row."""
    words: list[str] = [""]
    for letter in text.lower():
        if letter.isalnum() or letter == "'":
            if not words[-1].endswith(letter * 2):
                words[-1] += letter
        elif words[-1]:
            words.append("")
    return words if words[-1] else words[:-1]
