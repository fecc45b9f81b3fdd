"""How recognised words are compared with those that were said."""

from __future__ import annotations

import pytest

from app.bench.word_errors import word_errors, words_of


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("what are your states", "What are your states?", 0),
        ("what are your states", "What our states?", 2),
        ("quit", "", 1),
        ("", "you", 1),
        ("ten of clubs", "10 of clubs.", 0),
        ("about fourteen fifty-five", "about 1455", 0),
        ("the forty-two line bible of the fifteenth century", "the 42-line Bible of the 15th century", 0),
        ("2:30 pm", "2.30 PM", 0),
        ("one two three", "1, 2, 3", 0),
        ("twenty and one", "21", 3),
        ("hello gemini are you there", "Hello? Jim and I. Are you there?", 3),
        ("it's mine", "its mine", 1),
    ],
)
def test_spelling_is_no_error_and_every_other_word_is(said: str, heard: str, errors: int) -> None:
    assert word_errors(said, heard) == errors


def test_tens_and_units_are_one_number_only_when_said_together() -> None:
    assert words_of("twenty one, one hundred; thirty twenty zero") == ["21", "1", "hundred", "30", "20", "0"]
