"""How documents become passages that can be spoken."""

from __future__ import annotations

import pytest

from adapters.answers.passages import PASSAGE_WORDS, passages_of_markdown, passages_of_text


def markdown(text: str) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    return [(each.headings, each.sentences) for each in passages_of_markdown(text, source="a.md", name="a file")]


def plain(text: str) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    return [(each.headings, each.sentences) for each in passages_of_text(text, source="a.txt", name="a file")]


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("It *opened* in **1883**.", ["It opened in 1883."]),
        ("See [the plan](http://x.example/y).", ["See the plan."]),
        ("Type `run`, ![icon](a.png)then wait[^1].", ["Type run, then wait."]),
        ("Before.\n\n```sh\nrm -rf x\n```\n\n<div>html</div>\n\nAfter.", ["Before.", "After."]),
        ("A line\nwrapped in two.", ["A line wrapped in two."]),
        ("- one fact\n- another fact. And more", ["one fact.", "another fact.", "And more."]),
        ("You need:\n\n- a hive\n- a veil.", ["You need: a hive, a veil."]),
        ("Lamps:\n- Red: no connection\n- Green: all is well", ["Lamps: Red: no connection; Green: all is well."]),
        ("---\ntitle: x\n---\nThe text.", ["The text."]),
        ("> Quoted text", ["Quoted text."]),
        ("a \\* star", ["a * star."]),
    ],
)
def test_markdown_is_spoken_without_its_marks(text: str, spoken: list[str]) -> None:
    assert [sentence for _, sentences in markdown(text) for sentence in sentences] == spoken


def test_headings_give_the_topic_and_are_not_spoken() -> None:
    text = "Intro.\n\n# The *Old* Bridge\n\n## Cost\n\nIt was cheap.\n\n## Age\n\nIt is old.\n\n# Ferry\n\nIt sails."
    assert markdown(text) == [
        (("a file",), ("Intro.",)),
        (("The Old Bridge", "Cost"), ("It was cheap.",)),
        (("The Old Bridge", "Age"), ("It is old.",)),
        (("Ferry",), ("It sails.",)),
    ]


def test_rows_of_a_table_of_two_columns_are_sentences_and_its_columns_are_known() -> None:
    table = "Before it.\n\n| Day | Hours |\n|---|---|\n| Monday | closed |\n| Friday | ten to five |\n\nAfter it."
    passages = list(passages_of_markdown(table, source="a.md", name="a file"))
    assert [(each.sentences, each.columns) for each in passages] == [
        (("Before it.",), ()),
        (("Monday: closed.", "Friday: ten to five."), ("Day", "Hours")),
        (("After it.",), ()),
    ]


def test_rows_of_another_table_name_their_columns_and_skip_empty_cells() -> None:
    table = "| Day | Opens | Closes |\n|---|---|---|\n| Monday | | noon |\n| Friday | ten | five |"
    assert markdown(table) == [(("a file",), ("Day: Monday, Closes: noon.", "Day: Friday, Opens: ten, Closes: five."))]


def test_plain_text_has_paragraphs_statements_and_headings() -> None:
    text = "THE MILL\n\nIt turns\nslowly in the wind.\n\nHours: 9 to 5\nRent: free\n\n"
    text += "History of it\nIt was built in 1850 and has\nburnt down twice.\n\n* * *\n"
    assert plain(text) == [
        (("THE MILL",), ("It turns slowly in the wind.",)),
        (("THE MILL",), ("Hours: 9 to 5.", "Rent: free.")),
        (("History of it",), ("It was built in 1850 and has burnt down twice.",)),
    ]


def test_lines_over_nothing_are_statements() -> None:
    assert plain("The mill was built in 1850") == [(("a file",), ("The mill was built in 1850.",))]
    assert plain("NOTES\n\nThe mill is very old\n\nThe ferry is quite new\n") == [
        (("a file",), ("The mill is very old.",)),
        (("a file",), ("The ferry is quite new.",)),
    ]


def test_endless_paragraph_is_cut_between_sentences() -> None:
    passages = plain("This is a sentence of seven words. " * 200)
    assert len(passages) > 1
    assert all(sum(len(each.split()) for each in sentences) <= PASSAGE_WORDS for _, sentences in passages)
    assert sum(len(sentences) for _, sentences in passages) == 200


@pytest.mark.parametrize("text", ["", "\n\n", "# Only a title", "***", "```\ncode\n```", "| a | b |\n|---|---|"])
def test_document_without_sentences_has_no_passages(text: str) -> None:
    assert markdown(text) == []
