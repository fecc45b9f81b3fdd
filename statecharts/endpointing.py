"""How long a silence has to be before it is the end of a turn: graded by what was said.

No sign is a judge: in read sentences cut at their pauses, the recogniser ends 58 of 100 unfinished ones with a full
stop, and 88 of the finished ones. Together the signs are good enough to grade the wait, and a turn that is ended early
can be taken back:

- dots, a dash or a comma at the end, a last word that calls for another ("and", "the", "um"), or numbers being
  dictated: somebody is looking for words, wait long;
- a full stop, a question or an exclamation mark, and none of these: wait as short as this caller's own pauses allow;
- anything else, and as long as the words are not known: the plain wait.
"""

from __future__ import annotations

import re

from statecharts.policy import Policy

__all__ = ["LONGEST_PAUSE_S", "grade", "learnt"]

_CALLS_FOR_MORE = frozenset({
    "a", "about", "also", "an", "and", "are", "as", "at", "because", "but", "by", "can", "could", "did", "do",
    "does", "for", "from", "had", "has", "have", "how", "if", "in", "into", "is", "like", "my", "no", "of", "on",
    "or", "our", "so", "than", "that", "the", "their", "then", "there", "these", "this", "those", "to", "um", "uh",
    "er", "erm", "very", "was", "were", "what", "when", "where", "which", "while", "who", "whose", "why", "will",
    "with", "would", "your",
})  # fmt: skip
"""English function words, and sounds of hesitation: a phrase seldom ends in one."""
_ENDS_IN_THEM = frozenset({"how are you", "what is this", "who is that", "what can you do", "what for", "so what"})
_NUMBER_WORDS = frozenset({
    "zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "double", "triple", "hundred",
})  # fmt: skip
_DICTATED = 3
"""So many numbers in a row, and nothing else at the end, are being dictated: a telephone number, a code."""
_SHARE = 0.5
"""How much a pause counts that the caller made inside a turn, against what was learnt before."""
LONGEST_PAUSE_S = 2.0
"""Who is silent for longer does not pause: a new thing is said."""


def grade(text: str, policy: Policy, least_s: float) -> float:
    """Return how long the silence after these words has to be, in seconds.

    Args:
        text: What was recognised of the turn so far; empty: not known yet.
        policy: The bounds.
        least_s: The shortest wait that was learnt of this caller; 0: nothing yet.
    """
    if not policy.adaptive_end_of_turn or not text:
        return policy.end_of_turn_s
    if _unfinished(text):
        return policy.end_of_turn_max_s
    least_s = max(policy.end_of_turn_min_s, least_s)
    return least_s if text.rstrip().endswith((".", "?", "!")) else max(least_s, policy.end_of_turn_s)


def learnt(pause_s: float, policy: Policy, least_s: float) -> float:
    """Return the shortest wait for a caller who just went on after such a pause, in seconds."""
    known_s = max(policy.end_of_turn_min_s, least_s)
    return min(policy.end_of_turn_max_s, max(known_s, _SHARE * pause_s + (1 - _SHARE) * known_s))


def _unfinished(text: str) -> bool:
    plain = text.strip()
    if plain.endswith(("...", "…", "-", "–", "—", ",", ":", ";")):
        return True
    words = re.findall(r"[a-z0-9']+", plain.lower())
    if not words or " ".join(words[-3:]) in _ENDS_IN_THEM or " ".join(words[-4:]) in _ENDS_IN_THEM:
        return False
    asks = plain.endswith("?")  # "what is it for?" ends in such a word, and ends
    if words[-1] in _CALLS_FOR_MORE and not asks:
        return True
    digits = sum(len(word) if word.isdigit() else word in _NUMBER_WORDS for word in words[-_DICTATED:])
    return digits >= _DICTATED and all(word.isdigit() or word in _NUMBER_WORDS for word in words[-2:])
