"""How written English is said: years, dates, times, money, units, ranges, addresses and abbreviations.

The voices read numbers right, but "1883" as a quantity, "5 km" letter by letter, "$15" as "dollar fifteen", and "Dr."
as the end of a sentence. Each word is respelled in the light of its neighbours; what a voice reads right stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["SpelledWord", "spell_out"]

_UNITS = {
    "mm": "millimetre*", "cm": "centimetre*", "m": "metre*", "km": "kilometre*", "ft": "feet", "yd": "yard*",
    "mi": "mile*", "mg": "milligram*", "g": "gram*", "kg": "kilogram*", "lb": "pound*", "lbs": "pound*",
    "oz": "ounce*", "ml": "millilitre*", "l": "litre*", "ms": "millisecond*", "s": "second*", "sec": "second*",
    "min": "minute*", "h": "hour*", "hr": "hour*", "hrs": "hour*", "Hz": "hertz", "kHz": "kilohertz",
    "MHz": "megahertz", "GHz": "gigahertz", "W": "watt*", "kW": "kilowatt*", "MW": "megawatt*",
    "kWh": "kilowatt hour*", "V": "volt*", "kB": "kilobyte*", "KB": "kilobyte*", "MB": "megabyte*", "GB": "gigabyte*",
    "TB": "terabyte*", "dB": "decibel*", "ha": "hectare*", "m²": "square metre*", "km²": "square kilometre*",
    "m³": "cubic metre*", "km/h": "kilometre* an hour", "m/s": "metre* a second", "mph": "mile* an hour",
    "°C": "degree* Celsius", "°F": "degree* Fahrenheit", "°": "degree*",
}  # fmt: skip
"""What follows a number; the star is the "s" of more than one."""
_CURRENCIES = {"$": "dollar*", "€": "euro*", "£": "pound*"}
_SCALES = frozenset({"thousand", "million", "billion", "trillion"})
_ABBREVIATIONS = {
    "dr.": "Doctor", "mr.": "Mister", "mrs.": "Missis", "prof.": "Professor", "vs.": "versus", "etc.": "et cetera",
    "e.g.": "for example", "i.e.": "that is", "approx.": "approximately", "ave.": "Avenue", "dept.": "department",
    "est.": "established",
}  # fmt: skip
_BEFORE_NUMBERS = {"no.": "number", "nos.": "numbers", "p.": "page", "pp.": "pages", "fig.": "figure", "ch.": "chapter",
                   "vol.": "volume", "c.": "around", "ca.": "around", "tel.": "telephone"}  # fmt: skip
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
           "December")  # fmt: skip
_MONTH_NAMES = frozenset({*_MONTHS, *(month[:3] for month in _MONTHS), "Sept"})
_BEFORE_YEARS = frozenset({
    "in", "since", "until", "till", "before", "after", "during", "year", "years", "early", "late", "mid", "spring",
    "summer", "autumn", "fall", "winter", "circa",
})  # fmt: skip
_MAYBE_BEFORE_YEARS = frozenset({
    "of", "by", "from", "to", "between", "and", "or", "around", "about", "through", "the",
})  # fmt: skip
_AFTER_YEARS = frozenset({
    "and", "or", "to", "until", "till", "when", "as", "but", "by", "in", "on", "at", "the", "a", "it", "was", "were",
    "is", "with", "for",
})  # fmt: skip
"""After one of these words "1200" is a year only if it counts nothing: "from 1200 to", not "from 1200 visitors"."""
_DECADES = ("hundreds", "tens", "twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties",
            "nineties")  # fmt: skip
_FRACTIONS = {"1/2": "one half", "1/3": "one third", "2/3": "two thirds", "1/4": "one quarter", "3/4": "three quarters",
              "½": "one half", "¼": "one quarter", "¾": "three quarters"}  # fmt: skip

_WORD = re.compile(r"([(\[\"'“‘]*)(.*?)([.,;:!?)\]\"'”’…]*)")
_NUMBER = r"\d[\d,]*(?:\.\d+)?"
_YEAR = r"(?:1[1-9]|20)\d\d"
_HALF_DAY = re.compile(r"[ap]\.?m\.?", re.IGNORECASE)


class SpelledWord(NamedTuple):
    """A word of a text as it is said."""

    end: int
    """Characters of the text up to its end."""
    said: str
    """One word or several."""


class _Place(NamedTuple):
    """A word without the punctuation around it, and its neighbours."""

    opening: str
    word: str
    before: str
    after: str
    dotted: str
    """The word with the full stop that may belong to it."""

    @property
    def after_number(self) -> bool:
        return bool(re.fullmatch(_NUMBER, self.before))

    @property
    def before_number(self) -> bool:
        return self.after[:1].isdigit()


def spell_out(text: str) -> list[SpelledWord]:
    """Return the words of a text (what stands between white space) as they are said."""
    found = list(re.finditer(r"\S+", text))
    parts = [_parts(match.group()) for match in found]
    spelled = []
    for number, (match, (opening, word, closing)) in enumerate(zip(found, parts, strict=True)):
        before = parts[number - 1][1] if number and not parts[number - 1][2].strip(",") else ""
        after = parts[number + 1][1] if number + 1 < len(parts) and not closing.strip(".") else ""
        place = _Place(opening, word, before, after, word + closing[:1] if closing.startswith(".") else word)
        said = _abbreviation(place)
        if said:
            # The full stop is the abbreviation's, unless the text ends with it.
            closing = closing[1:] if number + 1 < len(found) else closing
        else:
            said = next(filter(None, (rule(place) for rule in _RULES)), word)
        spelled.append(SpelledWord(match.end(), f"{opening}{said}{closing}"))
    return spelled


def _parts(word: str) -> tuple[str, str, str]:
    split = _WORD.fullmatch(word)
    assert split is not None, "it matches anything"
    opening, inner, closing = split.groups()
    return opening, inner, closing


def _abbreviation(at: _Place) -> str:
    dotted = at.dotted.lower()
    if not dotted.endswith("."):
        return ""
    if dotted == "st.":
        return "Saint" if at.after[:1].isupper() else "Street"
    if at.before_number and dotted in _BEFORE_NUMBERS:
        return _BEFORE_NUMBERS[dotted]
    return _ABBREVIATIONS.get(dotted, "")


def _address(at: _Place) -> str:
    address = re.match(r"(?:https?://)(?:www\.)?(.+)|www\.(.+)", at.word, re.IGNORECASE)
    return (address[1] or address[2]).rstrip("/") if address else ""


def _money(at: _Place) -> str:
    if amount := re.fullmatch(r"([$€£])(\d[\d,]*)(?:\.(\d\d)|(\.\d+))?", at.word):
        sign, whole, cents, share = amount.groups()
        if at.after in _SCALES:
            return at.word[1:]
        said = f"{whole}{share or ''} {_counted(_CURRENCIES[sign], '' if share else whole)}"
        return f"{said} {int(cents)}" if cents and int(cents) else said
    if at.word in _SCALES and re.fullmatch(rf"[$€£]{_NUMBER}", at.before):
        return f"{at.word} {_counted(_CURRENCIES[at.before[0]], '')}"
    return ""


def _measure(at: _Place) -> str:
    if at.word in _UNITS and at.after_number:
        return _counted(_UNITS[at.word], at.before)
    joined = re.fullmatch(rf"({_NUMBER})([^\d\s,.]\S*)", at.word)
    # "5m" may be millions, and "10s" tens.
    if joined and joined[2] in _UNITS and (len(joined[2]) > 1 or joined[2] == "°"):
        return f"{joined[1]} {_counted(_UNITS[joined[2]], joined[1])}"
    return ""


def _counted(unit: str, amount: str) -> str:
    return unit.replace("*", "" if amount == "1" else "s")


def _range(at: _Place) -> str:
    if at.word in ("–", "-", "—") and at.before_number and (at.after_number or _HALF_DAY.fullmatch(at.before)):
        return "to"
    ends = re.fullmatch(rf"(\d+:\d\d|{_NUMBER})–(\d+:\d\d|{_NUMBER})(\S*)", at.word) or re.fullmatch(
        rf"({_YEAR}|\d+:\d\d)-({_YEAR}|\d\d|\d+:\d\d)()", at.word
    )
    if not ends:
        return ""
    years = re.fullmatch(_YEAR, ends[1]) and re.fullmatch(rf"{_YEAR}|\d\d", ends[2]) and not ends[3]
    said = [_year_said(end) if years and len(end) == 4 else _time_said(end, "") or end for end in ends.groups()[:2]]
    return " to ".join(said) + ends[3]


def _time(at: _Place) -> str:
    return _time_said(at.word, at.after)


def _time_said(word: str, after: str) -> str:
    time = re.fullmatch(r"(\d?\d):([0-5]\d)(\s?[ap]m)?", word, re.IGNORECASE)
    if not time:
        return ""
    hour, minute, half = int(time[1]), time[2], time[3] or ""
    if minute != "00":
        return f"{hour} {'oh ' if minute[0] == '0' else ''}{int(minute)} {half}".strip()
    if half or _HALF_DAY.fullmatch(after):
        return f"{hour} {half}".strip()
    return f"{hour} o'clock" if 0 < hour <= 12 else f"{hour} hundred"


def _date(at: _Place) -> str:
    if iso := re.fullmatch(rf"({_YEAR})-(0[1-9]|1[0-2])-([0-3]\d)", at.word):
        return f"{_MONTHS[int(iso[2]) - 1]} {_ordinal(int(iso[3]))}, {_year_said(iso[1])}"
    if not re.fullmatch(r"[1-9]|[12]\d|3[01]", at.word):
        return ""
    if at.after in _MONTH_NAMES:
        return f"{'' if at.before.lower() == 'the' else 'the '}{_ordinal(int(at.word))} of"
    return _ordinal(int(at.word)) if at.before in _MONTH_NAMES else ""


def _ordinal(number: int) -> str:
    ending = "th" if 10 < number < 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _year(at: _Place) -> str:
    if decade := re.fullmatch(r"(1[1-9]|20)(\d)0'?s", at.word):
        return f"{_century(decade[1])} {_DECADES[int(decade[2])]}"
    if not re.fullmatch(_YEAR, at.word):
        return ""
    before = at.before.lower()
    sure = (
        before in _BEFORE_YEARS or at.before in _MONTH_NAMES or at.opening == "(" or re.fullmatch(r"[123]?\d", before)
    )
    counts = at.after[:1].islower() and at.after not in _AFTER_YEARS
    return _year_said(at.word) if sure or (not counts and before in {"", *_MAYBE_BEFORE_YEARS}) else ""


def _year_said(year: str) -> str:
    century, rest = year[:2], int(year[2:])
    if year[:3] == "200":
        return year
    if not rest:
        return f"{century} hundred"
    return f"{century} oh {rest}" if rest < 10 else f"{century} {rest}"


def _century(digits: str) -> str:
    return "two thousand" if digits == "20" else digits


def _fraction(at: _Place) -> str:
    return _FRACTIONS.get(at.word, "")


_RULES: tuple[Callable[[_Place], str], ...] = (_address, _money, _measure, _range, _time, _date, _year, _fraction)
