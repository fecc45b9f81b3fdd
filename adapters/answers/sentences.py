"""Cuts prose into sentences that can be spoken."""

from __future__ import annotations

import re

from adapters.answers.english import BEFORE_NUMBER, NEVER_LAST, PERHAPS_LAST, SENTENCE_OPENERS

__all__ = ["split_sentences"]

_BOUNDARY = re.compile(r"""(?<=[.!?…])["'”’»)\]]*\s+(?=["'“‘«(\[]*[^\W_a-z])""")
"""White space after an end mark, before anything but a small letter: "3.5 m" and "e.g. this" have no boundary."""


_NEVER_LAST = frozenset(NEVER_LAST.split())
_BEFORE_NUMBER = frozenset(BEFORE_NUMBER.split())
_PERHAPS_LAST = frozenset(PERHAPS_LAST.split())
_OPENERS = frozenset(SENTENCE_OPENERS.split())
_ACRONYM = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")


def split_sentences(text: str) -> list[str]:
    """Return the sentences of a text in order, white space squeezed, none empty.

    A full stop after a title, an initial, an acronym or an abbreviation ends a sentence only where the next word looks
    like the beginning of one.
    """
    text = " ".join(text.split())
    sentences, start = [], 0
    for boundary in _BOUNDARY.finditer(text):
        if _ends_sentence(text[start : boundary.start()], text[boundary.end() : boundary.end() + 40]):
            closing = boundary.group().rstrip()
            sentences.append(text[start : boundary.start()] + closing)
            start = boundary.end()
    if start < len(text):
        sentences.append(text[start:])
    return sentences


def _ends_sentence(before: str, after: str) -> bool:
    if not before.endswith("."):
        return True
    word = before.rsplit(None, 1)[-1].strip("\"'“‘«([.").casefold()
    follower = re.match(r"\W*([\w']*)", after)
    next_word = follower.group(1).casefold() if follower else ""
    if word in _NEVER_LAST:
        return False
    if word in _BEFORE_NUMBER:
        return not next_word[:1].isdigit()
    if word in _PERHAPS_LAST or _ACRONYM.fullmatch(word) or (len(word) == 1 and word.isalpha() and word != "i"):
        return next_word in _OPENERS
    return True
