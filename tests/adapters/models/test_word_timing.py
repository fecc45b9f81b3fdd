"""Where a sentence may be taken apart, and when each of its words is over."""

from __future__ import annotations

import pytest

from adapters.voices.clauses import first_clause
from adapters.voices.word_timing import phoneme_ends, word_end, word_ends


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("It opened in eighteen eighty three, after fourteen years of work.", "It opened in eighteen eighty three, "),
        ("Okay, I have five states: idle, listening, thinking and speaking.", "Okay, "),
        ("The bridge (built by hand), which opened in 1883, is still in use.", "The bridge (built by hand), "),
        ("Your audio stays on this machine - nothing is sent anywhere at all.", "Your audio stays on this machine - "),
        ("Too short, to be worth it.", ""),
        ("It cost 15,000,000 dollars and took the city fourteen years to build", ""),
        ("This sentence has its only comma where hardly anything follows it, see?", ""),
        (
            "— , it says nothing before its first comma, but it does so before the second.",
            "— , it says nothing before its first comma, ",
        ),
        ("A sentence without any boundary is said as one however long it may be.", ""),
    ],
)
def test_the_first_clause_is_what_is_worth_being_said_first(text: str, clause: str) -> None:
    assert text[: first_clause(text)] == clause


def test_words_end_where_white_space_begins() -> None:
    text = " It's  1883,\nor so. "
    assert [text[:end].split()[-1] for end in word_ends(text)] == ["It's", "1883,", "or", "so."]
    assert text[: word_end(text, text.index("8"))].endswith("1883,")
    assert word_end(text.rstrip(), text.index("so")) == len(text.rstrip())


def test_words_said_as_alone_end_where_their_phonemes_do() -> None:
    spoken = "ðə bɹˈɪdʒ, ɪz ˈoʊld."
    ends = phoneme_ends(["ðə", "bɹˈɪdʒ,", "ɪz", "ˈoʊld."], spoken)
    assert [spoken[:end] for end in ends] == ["ðə", "ðə bɹˈɪdʒ", "ðə bɹˈɪdʒ, ɪz", "ðə bɹˈɪdʒ, ɪz ˈoʊld"]


def test_words_that_run_into_each_other_are_told_apart() -> None:
    # espeak-ng says "of the" as one, and "a" otherwise than alone.
    spoken = "ʌvðə sˈɪɾi ɪz ɐ kˈɑːɹ"
    ends = phoneme_ends(["ʌv", "ðə", "sˈɪɾi", "ɪz", "ˈeɪ", "kˈɑːɹ"], spoken)
    assert [spoken[:end] for end in ends] == ["ʌv", "ʌvðə", "ʌvðə sˈɪɾi", "ʌvðə sˈɪɾi ɪz", "ʌvðə sˈɪɾi ɪz ɐ", spoken]


def test_a_word_without_a_sound_ends_with_the_one_before() -> None:
    spoken = "nˈoʊ lˈɛs"
    assert phoneme_ends(["nˈoʊ", "", "lˈɛs", ""], spoken) == [4, 4, 9, 9]
    assert phoneme_ends(["", "nˈoʊ"], "nˈoʊ") == [0, 4]
    assert phoneme_ends([], "") == []


def test_ends_never_go_back_and_reach_the_last_sound() -> None:
    spoken = "wˈʌn θˈaʊzənd ˈeɪthˈʌndɹɪd fˌɔːɹɛɡzˈæmpəl."
    ends = phoneme_ends(["ˌeɪtˈiːn ˈeɪɾi", "ˌiːdʒˈiː."], spoken)
    assert ends == sorted(ends)
    assert ends[-1] == len(spoken) - 1
