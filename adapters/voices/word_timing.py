"""When each word of a sentence has been spoken, from the lengths of its phonemes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import accumulate, pairwise

__all__ = ["phoneme_ends", "word_end", "word_ends"]

_LETTERS = ("Ll", "Lo")
"""Sounds; stress and length marks (Lm) and combining ones (Mn) differ between a word alone and in a sentence."""


def word_ends(text: str) -> list[int]:
    """Return the place after each word of a text; a word is what stands between white space."""
    return [word.end() for word in re.finditer(r"\S+", text)]


def word_end(text: str, place: int) -> int:
    """Return the place after the word that a place is in."""
    space = re.compile(r"\s").search(text, place)
    return space.start() if space else len(text)


def phoneme_ends(words: Sequence[Sequence[str]], spoken: Sequence[str]) -> list[int]:
    """Return for each word the place after its last phoneme in the sentence.

    Args:
        words: The phonemes of each word, said alone.
        spoken: The phonemes of the sentence. They are not those of the words in a row ("of the" is said as one), so
            both are aligned; between the sounds that agree, places are interpolated.
    """
    sounds = [place for place, phoneme in enumerate(spoken) if _is_sound(phoneme)]
    alone = ["".join(phoneme[0] for phoneme in word if _is_sound(phoneme)) for word in words]
    anchors = _anchors("".join(alone), "".join(spoken[place][0] for place in sounds))
    ends = []
    for letters in accumulate(map(len, alone)):
        sound = _mapped(letters, anchors)
        ends.append(_with_marks(sounds[sound - 1] + 1, spoken) if sound else 0)
    return ends


def _is_sound(phoneme: str) -> bool:
    return unicodedata.category(phoneme[0]) in _LETTERS


def _anchors(alone: str, spoken: str) -> list[tuple[int, int]]:
    """Return pairs of places that correspond, from the beginnings to the ends."""
    anchors = {0: 0}
    for here, there, size in SequenceMatcher(None, alone, spoken, autojunk=False).get_matching_blocks()[:-1]:
        anchors.setdefault(here, there)
        anchors[here + size] = there + size
    anchors[len(alone)] = len(spoken)
    return sorted(anchors.items())


def _mapped(place: int, anchors: Sequence[tuple[int, int]]) -> int:
    for (here, there), (next_here, next_there) in pairwise(anchors):
        if here <= place <= next_here and next_here > here:
            return there + round((place - here) / (next_here - here) * (next_there - there))
    return anchors[-1][1]


def _with_marks(place: int, spoken: Sequence[str]) -> int:
    while place < len(spoken) and unicodedata.category(spoken[place][0]) in ("Lm", "Mn"):
        place += 1
    return place
