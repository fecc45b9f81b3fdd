"""How many words a recogniser got wrong, spelling aside."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["word_errors", "words_of"]

_UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fifth": 5, "eighth": 8, "ninth": 9, "twelfth": 12}
_NUMBERS = (
    {word: number for number, word in enumerate(_UNITS)}
    | {word: 10 * number for number, word in enumerate(_TENS, 2)}
    | {f"{word}th": number for number, word in enumerate(_UNITS)}
    | {f"{word[:-1]}ieth": 10 * number for number, word in enumerate(_TENS, 2)}
    | _ORDINALS
)
_TOKEN = re.compile(r"\d+(?=st|nd|rd|th)|\d+|[a-z]+(?:'[a-z]+)?")
_ENDINGS = ("st", "nd", "rd", "th")


def words_of(text: str) -> list[str]:
    """Return the words of a text as they are compared: lower case, no punctuation, numbers in digits.

    "fourteen fifty-five" is 14 55, and so is 1455; "the 15th" and "the fifteenth" are 15.
    """
    words: list[str] = []
    after_tens = False
    for token in _tokens(text.lower()):
        number = _NUMBERS.get(token)
        if number is not None and after_tens and 0 < number < 10:
            words[-1] = str(int(words[-1]) + number)
            after_tens = False
            continue
        words.append(token if number is None else str(number))
        after_tens = number is not None and number >= 20
    return words


def _tokens(text: str) -> Iterator[str]:
    digits = ""
    for token in _TOKEN.findall(text):
        if token in _ENDINGS and digits:
            digits = ""
            continue
        digits = token if token.isdigit() else ""
        if digits and len(digits) == 4:
            yield from (digits[:2], digits[2:])
        else:
            yield token


def word_errors(reference: str, heard: str) -> int:
    """Return the fewest words to change, add or drop that make one text the other (Levenshtein)."""
    heard_words = words_of(heard)
    costs = list(range(len(heard_words) + 1))
    for row, word in enumerate(words_of(reference), 1):
        before, costs[0] = costs[0], row
        for column, other in enumerate(heard_words, 1):
            changed = before + (word != other)
            before = costs[column]
            costs[column] = min(changed, costs[column] + 1, costs[column - 1] + 1)
    return costs[-1]
