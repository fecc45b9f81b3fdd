"""Our own words in what a microphone without an echo canceller hears, and the caller's between them."""

from __future__ import annotations

import pytest

from statecharts.echo import without_ours

OURS = (
    "Thinking means that I am working on your answer. I find out what kind of thing you said, and look for the answer, "
    "both at the same time. If you go on speaking while I think, I take my answer back."
)
"""The answer that was spoken when the recogniser heard what follows, 20 dB softer and 0.1 s later."""


@pytest.mark.parametrize(
    "heard",
    [
        "", "Thank you.", "Thank you, means that", "Thinking means that I am working on your end.", "He said.",
        "that I am working on your...", "I find out what kind.", "and look for the ants.", "If you go and speak.",
        "stop",
    ],
)  # fmt: skip
def test_our_own_words_are_nobodys_even_where_some_are_misheard(heard: str) -> None:
    assert without_ours(heard, OURS, 3) == ""


@pytest.mark.parametrize(
    ("heard", "callers"),
    [
        ("What can you do?", "What can you do?"),
        ("and look for the ants. What can you do at the same time?", "ants. What can you do"),
        ("Thinking means that I am working on your answer. What can you do?", "What can you do?"),
        ("I find out what kind of thing. Please stop talking now.", "Please stop talking now."),
        ("Tell me about your answer", "Tell me about your answer"),
    ],
)
def test_the_callers_words_are_found_between_ours(heard: str, callers: str) -> None:
    assert without_ours(heard, OURS, 3) == callers
