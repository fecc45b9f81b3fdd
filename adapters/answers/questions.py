"""Understands what a question asks for, before anything is looked up."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from adapters.answers.english import LIGHT_WORDS, WEAK_WORDS
from adapters.answers.terms import is_stop_word, stem, words_of

__all__ = ["Question", "continues", "gives", "parse_question"]

Manner = Literal["fact", "definition", "instruction", "topic", "description"]
Expected = Literal["age", "duration", "frequency", "clock", "time", "price", "number", "person", "place", "reason", ""]

_LIGHT_WORDS = frozenset(LIGHT_WORDS.split())
_WEAK_WORDS = frozenset(WEAK_WORDS.split())

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

_INSTRUCT = re.compile(r"\bhow (?:do|does|can|could|should|would|must) (?:i|you|we|one|people)\b|\bhow to\b")
_ASKS = re.compile(
    r"^\W*(?:who|what|which|when|where|why|how|whose|whom|is|are|was|were|do|does|did|can|could|will|would|shall|"
    r"should|may|might|must|has|have|had)\b|\b(?:i|we|me|us|you|your)\b"
)
"""What a question or a wish has, and the bare name of a topic has not."""

_ASKED: tuple[tuple[Expected, re.Pattern[str]], ...] = (
    ("age", re.compile(r"\bhow old\b|\bage of\b")),
    ("duration", re.compile(r"\bhow long\b(?=.*\b(?:takes?|lasts?|live|stay|wait|need|until|keep|kept)\b)")),
    ("frequency", re.compile(r"\bhow (?:often|frequently|regularly)\b|\bhow many times\b")),
    ("clock", re.compile(r"\b(?:what time|what hour|how late|how early)\b")),
    (
        "time",
        re.compile(r"\bwhen\b|\b(?:what|which) (?:\w+ )?(?:year|time|date|day|century|hours)\b|\bhours\b"),
    ),
    (
        "price",
        re.compile(
            r"\bhow much (?:is|are|was|were|'s|do you (?:charge|want|ask))\b|\b(?:cost|costs|price|prices|fee|fees)\b|"
            r"\bhow much\b.*\b(?:pay|charge|charged|spend)\b"
        ),
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
    "frequency": re.compile(
        r"\b(?:once|twice|every|each|daily|hourly|weekly|monthly|yearly|annually|always|never|often|seldom|rarely|"
        r"times (?:a|an|per|in))\b",
        re.IGNORECASE,
    ),
    "clock": re.compile(
        r"\d ?(?:am|pm|a\.m|p\.m)\b|\b\d{1,2}[:.]\d\d\b|\b(?:o'clock|noon|midnight|half past|quarter (?:past|to))\b|"
        r"\b(?:at|from|until|till|by|to) (?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b",
        re.IGNORECASE,
    ),
    "price": re.compile(
        r"[$£€¥] ?\d|\b\w+ (?:pounds?|euros?|dollars?|pence|cents?|francs?|crowns?|krona|yen|rupees?|pesos?)\b|"
        r"\bfree\b|\bno (?:charge|fee)\b",
        re.IGNORECASE,
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
    telling = [word for word in words if not is_stop_word(word) and word not in _LIGHT_WORDS | _WEAK_WORDS]
    telling = telling or [word for word in words if word in _WEAK_WORDS]
    expected: Expected = next((kind for kind, pattern in _ASKED if pattern.search(plain)), "")
    manner: Manner = "fact"
    if description:
        manner = "description"
    elif _INSTRUCT.search(plain):
        manner = "instruction"
    elif _DEFINE.search(plain) and not expected:
        manner = "definition"
    elif not _ASKS.search(plain):
        manner = "topic"
    return Question(
        terms=tuple(dict.fromkeys(map(stem, telling[:_MAX_TERMS]))),
        hints=tuple(dict.fromkeys(stem(word) for word in words if word in _LIGHT_WORDS | _WEAK_WORDS)),
        words=frozenset(map(stem, words if description else words_of(plain))),
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
