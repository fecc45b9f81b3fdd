"""How written English is said."""

from __future__ import annotations

import pytest

from adapters.voices.port import SpokenWord
from adapters.voices.spelled_voice import SpelledVoice
from adapters.voices.spelling import spell_out
from tests.fakes import ToneVoice


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("It opened in 1883.", "It opened in 18 83."),
        ("The bridge (1883) is old.", "The bridge (18 83) is old."),
        ("Between 1869 and 1905, in 1900 and 2007.", "Between 18 69 and 19 oh 5, in 19 hundred and 2007."),
        ("1883 visitors came from 1200 towns.", "1883 visitors came from 1200 towns."),
        ("It is in room 1204.", "It is in room 1204."),
        ("The 1960s and 1990s.", "The 19 sixties and 19 nineties."),
        ("1883–1885 or 1883-85", "18 83 to 18 85 or 18 83 to 85"),
        ("On May 24, 1883, it opened.", "On May 24th, 18 83, it opened."),
        ("On 3 July 1900.", "On the 3rd of July 19 hundred."),
        ("Since 2024-05-24.", "Since May 24th, 20 24."),
        ("You may 5 times.", "You may 5 times."),
        ("At 10:00 or 7:05 p.m. or 10:30.", "At 10 o'clock or 7 oh 5 p.m. or 10 30."),
        ("Open 9:00–17:00, or 9 am – 5 pm.", "Open 9 o'clock to 17 hundred, or 9 am to 5 pm."),
        ("It is 1,825 m long and 5km wide.", "It is 1,825 metres long and 5 kilometres wide."),
        ("1 km at 60 km/h.", "1 kilometre at 60 kilometres an hour."),
        ("100 m² at 20 °C for 0.35 s.", "100 square metres at 20 degrees Celsius for 0.35 seconds."),
        ("Call me at 5.", "Call me at 5."),
        ("It costs $15, €3.50 or $1.", "It costs 15 dollars, 3 euros 50 or 1 dollar."),
        ("$3.5 million", "3.5 million dollars"),
        ("Dr. Smith of St. John, Main St. 5", "Doctor Smith of Saint John, Main Street 5"),
        ("Apples, e.g. red ones, etc.", "Apples, for example red ones, et cetera."),
        ("No. 5, see p. 7.", "number 5, see page 7."),
        ("No. I won't.", "No. I won't."),
        ("See https://www.example.org/hours.", "See example.org/hours."),
        ("Call 555-1234.", "Call 555-1234."),
        ("1/2 of it", "one half of it"),
        ("", ""),
        ("...", "..."),
    ],
)
def test_it_is_said_as_people_say_it(written: str, said: str) -> None:
    assert " ".join(word.said for word in spell_out(written)) == said


async def test_what_a_voice_tells_of_words_is_about_the_text_as_written() -> None:
    text = "It opened on May 24, 1883, and cost $15 million."
    inner = ToneVoice()
    pieces = [piece async for piece in SpelledVoice(inner).synthesise(text)]
    assert inner.asked == ["It opened on May 24th, 18 83, and cost 15 million dollars."]
    told = [word for piece in pieces for word in piece.words]
    assert [text[: word.chars].split()[-1] for word in told] == text.split()
    assert told[5] == SpokenWord(len("It opened on May 24, 1883,"), 0.7), "when both halves of the year were said"
