"""The weekdays and months that a text speaks of without naming them: "Tuesday to Sunday", "daily"."""

from __future__ import annotations

import re

from adapters.answers.terms import stem

__all__ = ["calendar_terms"]

_WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_MONTHS = [
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
]  # fmt: skip
_ABBREVIATED = {"tues": "tuesday", "thur": "thursday", "thurs": "thursday", "sept": "september"}

_CYCLES = (_WEEKDAYS, _MONTHS)
_NAMES = {name[:length]: name for cycle in _CYCLES for name in cycle for length in (3, len(name))} | _ABBREVIATED

_RANGE = re.compile(r"\b([a-z]+?)s?\.?(?: (?:to|till|until|through|thru) | ?[-–—] ?)([a-z]+?)s?\b", re.IGNORECASE)
_BETWEEN = re.compile(r"\bbetween ([a-z]+?)s? and ([a-z]+?)s?\b", re.IGNORECASE)
_SETS = (
    (re.compile(r"\b(?:daily|(?:every|each) day|seven days a week|7 days a week)\b", re.IGNORECASE), _WEEKDAYS),
    (re.compile(r"\bweek ?days?\b", re.IGNORECASE), _WEEKDAYS[:5]),
    (re.compile(r"\bweekends?\b", re.IGNORECASE), _WEEKDAYS[5:]),
)


def calendar_terms(text: str) -> frozenset[str]:
    """Return the stems of the weekdays and months that lie in the ranges of a text, ends included."""
    found = {name for pattern, days in _SETS if pattern.search(text) for name in days}
    for match in (*_RANGE.finditer(text), *_BETWEEN.finditer(text)):
        first, last = (_NAMES.get(end.casefold(), "") for end in match.groups())
        for cycle in _CYCLES:
            if first in cycle and last in cycle:
                start = cycle.index(first)
                length = (cycle.index(last) - start) % len(cycle) + 1
                found.update((cycle + cycle)[start : start + length])
    return frozenset(map(stem, found))
