"""Understands what a question asks for, before anything is looked up."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from adapters.answers.english import LIGHT_WORDS
from adapters.answers.terms import is_stop_word, stem, words_of

__all__ = ["Question", "continues", "gives", "parse_question"]

Manner = Literal["fact", "definition", "description"]
Expected = Literal["age", "duration", "time", "number", "person", "place", "reason", ""]

_LIGHT_WORDS = frozenset(LIGHT_WORDS.split())

_DESCRIBE = re.compile(
    r"\b(?:(?:tell|teach) (?:me|us) (?:\w+ ){0,3}?about|describe|explain|introduce|talk (?:\w+ )?about|"
    r"what (?:do|can|did) you (?:know|say|tell me) about|(?:want|like|love) to (?:know|learn|hear) (?:\w+ )?about|"
    r"(?:information|details|overview|summary|facts) (?:on|about|of))\b"
    r"(?! (?:who|when|where|why|how (?!\w+s\b)\w+ (?:is|are|was|were)))"
)
_ABOUT_US = re.compile(r"\b(?:(?:tell|teach) (?:me|us) (?:\w+ ){0,3}?about|describe|introduce) (?:you|yourself)\W*$")

_PREFACE = re.compile(
    r"^\W*(?:(?:well|so|okay|ok|hello|hi|hey|um+|uh+|please|thanks|thank you|(?:can|could|would|will) you|"
    r"(?:show|tell|give) (?:me|us)(?! (?:\w+ ){0,3}?about)|i wonder|i was wondering)\b\W*)+"
)
"""What a question may begin with that is no part of it: "well, how deep is the well"."""

_DEFINE = re.compile(r"\b(?:what|who)(?:'s|'re| is| are| was| were)\b")

_ASKED: tuple[tuple[Expected, re.Pattern[str]], ...] = (
    ("age", re.compile(r"\bhow old\b|\bage of\b")),
    ("duration", re.compile(r"\bhow long\b(?=.*\b(?:takes?|lasts?|live|stay|wait|need|until|keep|kept)\b)")),
    (
        "time",
        re.compile(r"\bwhen\b|\b(?:what|which) (?:\w+ )?(?:year|time|date|day|century|hours)\b|\bhours\b"),
    ),
    (
        "number",
        re.compile(r"\bhow (?:many|much|long|tall|high|wide|deep|big|large|heavy|far|fast|often)\b|\bnumber of\b"),
    ),
    ("person", re.compile(r"\bwho(?:m|se)?\b")),
    ("place", re.compile(r"\bwhere\b")),
    ("reason", re.compile(r"\bwhy\b|\bwhat for\b")),
)

_COUNT = (
    r"\d|\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|"
    r"eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundreds?|thousands?|millions?|half|twice)\b"
)
_GIVEN: dict[Expected, re.Pattern[str]] = {
    "age": re.compile(
        r"\b1\d\d\d\b|\b20\d\d\b|\b(?:century|centuries|ago|years?|decades?|months|age|aged|"
        r"(?:fif|six|seven|eigh|nine)teen \w+|two thousand)\b",
        re.IGNORECASE,
    ),
    "duration": re.compile(
        r"\w (?:seconds|minutes|hours|days|weeks|months|years)\b|\b(?:an|one) (?:hour|year|day|week)\b"
    ),
    "time": re.compile(
        r"\b1\d\d\d\b|\b20\d\d\b|\b(?:century|centuries|o'clock|noon|midnight|morning|afternoon|evening|daily|ago|years?|"
        r"january|february|march|april|may \d|june|july|august|september|october|november|december|"
        r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?|am|pm|a\.m|p\.m|every day|hours?|"
        r"(?:fif|six|seven|eigh|nine)teen \w+ty|two thousand)\b",
        re.IGNORECASE,
    ),
    "number": re.compile(_COUNT + r"|\bfree\b", re.IGNORECASE),
    "person": re.compile(
        r"\b[A-Z][\w'’-]+ (?:[A-Z]\.? |de |van |von )*[A-Z][\w'’-]+|\bby (?:the |an? )?\w+|\b[Ww]ho\b"
    ),
    "place": re.compile(
        r"\b(?:in|at|on|from|near|to) (?:the )?[A-Z]|"
        r"\b(?:near|behind|beside|between|opposite|above|below|beneath|inside|"
        r"outside|next to|across|along|upstairs|downstairs|street|road|square|floor|north|south|east|west)\b"
    ),
    "reason": re.compile(
        r"\b(?:because|so that|since|therefore|due to|in order to|reason|why|otherwise|"
        r"to (?:keep|protect|avoid|prevent|make|save|stop))\b"
    ),
}

_MAX_TERMS = 24
"""Terms of a question that are looked up: more than anybody asks in one breath, and a bound on the work."""

_CONTINUES = re.compile(r"(?:It|They|This|These|That|Those|He|She|Its|Their|His|Her)\b(?!['’])")


class Question(Struct, frozen=True, kw_only=True):
    """What is asked: for which terms, and for what kind of answer."""

    terms: tuple[str, ...]
    """Stems of the words that carry the question, each once; none in "who are you" or "how does that work"."""
    hints: tuple[str, ...]
    """Stems of words that say little alone: they choose between sentences that speak of the terms."""
    words: frozenset[str]
    """Stems of all its words."""
    manner: Manner
    expected: Expected


def parse_question(text: str) -> Question:
    """Return what a question asks for; text may come from a recogniser, so case and punctuation say nothing."""
    plain = _PREFACE.sub("", text.casefold().replace("’", "'"))
    plain = _ABOUT_US.sub("who are you", plain)
    description = _DESCRIBE.search(plain)
    # What comes before "tell me about" is courtesy, what comes after is the subject.
    words = words_of(plain[description.end() :] if description else plain)
    if description and not words:
        words = words_of(plain)
    telling = [word for word in words if not is_stop_word(word) and word not in _LIGHT_WORDS]
    expected: Expected = next((kind for kind, pattern in _ASKED if pattern.search(plain)), "")
    manner: Manner = (
        "description" if description else "definition" if _DEFINE.search(plain) and not expected else "fact"
    )
    return Question(
        terms=tuple(dict.fromkeys(map(stem, telling[:_MAX_TERMS]))),
        hints=tuple(dict.fromkeys(stem(word) for word in words if word in _LIGHT_WORDS)),
        words=frozenset(map(stem, words_of(plain))),
        manner=manner,
        expected=expected,
    )


def gives(sentence: str, expected: Expected) -> bool:
    """Return whether a sentence has the form of the answer that is expected: a date, a number, a name, a place."""
    pattern = _GIVEN.get(expected)
    return pattern is not None and pattern.search(sentence) is not None


def continues(sentence: str) -> bool:
    """Return whether a sentence goes on about what the one before it is about."""
    return _CONTINUES.match(sentence) is not None
