"""How much of an answer counts as heard, from the seconds of it that were played."""

from __future__ import annotations

import pytest

from statecharts.speech import Line, Speech

FIRST, SECOND = "It opened in 1883, after a long time.", "It is still in use."
WORDS = ((2, 0.1), (9, 0.4), (12, 0.5), (18, 1.6), (24, 2.0), (26, 2.1), (31, 2.4), (37, 2.8))
"""Where the words of `FIRST` end in its 3 s: by its characters, the year would be over 0.2 s too soon."""
MORE_WORDS = ((2, 0.1), (5, 0.3), (11, 0.6), (14, 0.7), (19, 1.2))


def speech(*, timed: bool = True, second_s: float = 1.5, synthesised: bool = True) -> Speech:
    made = Speech(turn=1, lines=[Line("1", FIRST), Line("2", SECOND)], synthesised=synthesised)
    made.add_audio("1", 1.0, 10.0, words=WORDS if timed else ())
    made.add_audio("1", 2.0, 10.0)
    if second_s:
        made.add_audio("2", second_s, 10.0, words=MORE_WORDS if timed else ())
    return made


@pytest.mark.parametrize(
    ("played_s", "heard"),
    [
        (0.0, ""),
        (0.04, ""),
        (0.3, "It"),
        (0.5, "It opened in"),
        (1.5, "It opened in"),
        (1.58, "It opened in 1883,"),
        (2.5, "It opened in 1883, after a long"),
        (2.8, FIRST),
        (3.0, FIRST),
        (3.3, f"{FIRST} It is"),
        (4.2, f"{FIRST} {SECOND}"),
        (4.5, f"{FIRST} {SECOND}"),
    ],
)
def test_a_word_was_heard_when_the_voice_had_said_it(played_s: float, heard: str) -> None:
    assert speech().heard(played_s) == heard


def test_what_was_heard_only_grows_and_is_a_beginning_of_the_answer() -> None:
    for timed in (True, False):
        made = speech(timed=timed)
        heard = [made.heard(number / 50) for number in range(240)]
        assert heard == sorted(heard, key=len)
        assert all(made.text.startswith(one) for one in heard)
        assert heard[-1] == made.text


def test_a_sentence_that_is_still_being_sent_is_not_heard_to_its_end() -> None:
    made = Speech(turn=1, lines=[Line("1", FIRST)])
    made.add_audio("1", 1.0, 10.0, words=WORDS)
    assert made.heard(1.0) == "It opened in"


def test_a_voice_that_tells_no_words_is_measured_by_its_characters() -> None:
    assert speech(timed=False).heard(1.55) == "It opened in 1883,"
    assert speech(timed=False).heard(3.6) == f"{FIRST} It is"


def test_a_copy_learns_nothing_of_the_words_of_the_other() -> None:
    made = speech(second_s=0.0)
    copied = made.copy()
    made.add_audio("2", 1.0, 11.0, words=MORE_WORDS)
    assert copied.lines[1].words == ()
    assert made.lines[1].words == MORE_WORDS
