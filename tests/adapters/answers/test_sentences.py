"""Where sentences end."""

from __future__ import annotations

import pytest

from adapters.answers.sentences import split_sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["It is 3.5 m long.", "It floats."],
        ["See e.g. the door, i.e. Dr. Smith's.", "He left."],
        ["He lives in the U.S.", "The end?!", "Yes."],
        ["J. Roebling and the U.S. Navy came at 5 p.m. on Sunday.", "It rained."],
        ["No. 5 is alive.", "No.", "It is not."],
        ['"Stop."', "He left."],
        ["It opened in 1883.", "14 men died."],
        ["Vitamins A and C.", "The rest, ropes etc.", "They sank."],
        ["Il était là.", "Été comme hiver."],
        ["no end mark"],
        [],
    ],
    ids=lambda sentences: " ".join(sentences)[:30],
)
def test_sentences_come_apart_where_they_end(sentences: list[str]) -> None:
    assert split_sentences("  \n".join(sentences)) == sentences
