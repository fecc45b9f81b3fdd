"""How deep JSON from outside may nest: decoders and encoders recurse, and run out of stack at some 1000 levels."""

from __future__ import annotations

import re

__all__ = ["MAX_DEPTH", "too_deep"]

MAX_DEPTH = 64
"""Levels of arrays and objects; no message of ours has more than five."""

# A string is passed over whole, also one that never ends: every byte is looked at once.
_MARKS = re.compile(rb'"(?:[^"\\]+|\\.)*"?|[\[\]{}]', re.DOTALL)


def too_deep(data: bytes) -> bool:
    """Return whether JSON nests deeper than `MAX_DEPTH`; malformed JSON is judged by its brackets."""
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return False  # nearly everything: 0.3 us for an envelope, against some 10 us for the scan
    depth = 0
    for mark in _MARKS.finditer(data):
        if mark[0] in (b"[", b"{"):
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif mark[0] in (b"]", b"}"):
            depth -= 1
    return False
