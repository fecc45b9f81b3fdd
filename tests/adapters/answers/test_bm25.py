"""Answers from folders of documents."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.answers.bm25 import UNKNOWN, Bm25Answerer
from adapters.answers.port import Sentence

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def voicechart() -> Bm25Answerer:
    return Bm25Answerer(ROOT / "knowledge")


@pytest.fixture(scope="module")
def museum() -> Bm25Answerer:
    return Bm25Answerer(ROOT / "examples" / "knowledge")


def folder_of(path: Path, **files: str) -> Bm25Answerer:
    for name, text in files.items():
        (path / f"{name}.md").write_text(text, encoding="utf-8")
    return Bm25Answerer(path)


def found(answerer: Bm25Answerer, question: str) -> list[Sentence]:
    async def collect() -> list[Sentence]:
        return [sentence async for sentence in answerer.answer(question)]

    return asyncio.run(collect())


def said(answerer: Bm25Answerer, question: str) -> str:
    return " ".join(sentence.text for sentence in found(answerer, question))


@pytest.mark.parametrize(
    ("question", "part"),
    [
        ("what can you do", "I listen to your question"),
        ("What are you?", "a voice server written in Python"),
        ("who are you", "I am voicechart"),
        ("tell me about yourself", "I am voicechart"),
        ("how do I interrupt you", "Just speak while I am talking"),
        ("what are your states", "idle, listening, thinking, speaking and interrupt"),
        ("how many states do you have", "five states"),
        ("what does idle mean", "nobody is talking"),
        ("what happens when I speak", "goes to the server"),
        ("which voice do you use", "Piper"),
        ("how fast are you", "begin to speak the first sentence"),
        ("what do you do when a process dies", "another one takes over"),
        ("is my data sent to the cloud", "nothing to the cloud"),
        ("can I use my own documents", "knowledge option"),
        ("how long do you keep the log", "one day"),
        ("what is barge-in", "speaking over an answer"),
        ("what is barge in", "speaking over an answer"),
        ("how do you work", "turn it into words"),
    ],
)
def test_sample_knowledge_answers_questions_about_voicechart(
    voicechart: Bm25Answerer, question: str, part: str
) -> None:
    assert part in said(voicechart, question)


@pytest.mark.parametrize(
    ("question", "part"),
    [
        ("how old is the museum", "founded in 1926"),
        ("hello, how old is the canoe", "2,400 years"),
        ("who founded the museum", "Agnes Tolland"),
        ("where is the museum", "Anchor Quay"),
        ("how long is the longest hall", "212 metres"),
        ("why is the hall so long", "because a rope"),
        ("what is the canoe made of", "oak"),
        ("how many people did the lifeboat save", "83 people"),
        ("which departments are there", "shipbuilding, fishing, navigation, life on board"),
        ("how many ships sank in the storm", "eleven ships"),
        ("how much does a ticket cost for students", "three euros"),
        ("is the museum open on monday", "Monday: closed."),
        ("is it open on wednesdays", "Tuesday to Friday: ten to five."),
        ("when is the museum open", "Monday: closed; Tuesday to Friday: ten to five; Saturday and Sunday: ten to six."),
        ("does the museum have a cafe", "café"),
        ("are dogs allowed", "Dogs have to stay outside"),
        ("how long does a guided tour take", "ninety minutes"),
        ("how do I book a tour", "Write to the office"),
        ("who holds the record in the soap box race", "Ines Fairweather"),
        ("how many people live in Brackwater", "5,300"),
        ("what is the steepest street", "Cat's Back"),
    ],
)
def test_second_knowledge_answers_questions_about_a_museum(museum: Bm25Answerer, question: str, part: str) -> None:
    assert part in said(museum, question)


@pytest.mark.parametrize(
    "question",
    [
        "what is the capital of France",
        "who won the world cup",
        "how tall is mount everest",
        "what's the weather like today",
        "how do I cook pasta",
        "what time is it",
        "tell me about dinosaurs",
        "is there a swimming pool",
        "what is it",
        "",
        "...",
        "🙂",
    ],
)
def test_what_no_document_says_is_not_known(voicechart: Bm25Answerer, museum: Bm25Answerer, question: str) -> None:
    unknown = [Sentence(text=UNKNOWN, source="", score=0.0, is_final=True)]
    assert found(voicechart, question) == unknown
    assert found(museum, question) == unknown


@pytest.mark.parametrize("question", ["who are you", "how old is the museum", "tell me about the storm", "nonsense"])
def test_last_sentence_alone_is_final(museum: Bm25Answerer, question: str) -> None:
    finals = [sentence.is_final for sentence in found(museum, question)]
    assert finals == [False] * (len(finals) - 1) + [True]


def test_answer_names_its_source_and_how_well_it_fits(museum: Bm25Answerer) -> None:
    for sentence in found(museum, "how much is a ticket"):
        assert sentence.source == "visit/visiting.md"
        assert 0.5 < sentence.score <= 1.0


def test_question_is_answered_by_two_sentences_at_most(museum: Bm25Answerer) -> None:
    assert len(found(museum, "what is the ghost ship")) <= 2


@pytest.mark.parametrize(
    "question", ["tell me about the ghost ship", "Describe the ghost ship.", "explain the ghost ship"]
)
def test_topic_is_answered_by_the_whole_passage(museum: Bm25Answerer, question: str) -> None:
    assert [sentence.text for sentence in found(museum, question)] == [
        "Children like to hear about the Mary Ellen.",
        "She drifted into the harbour without a crew in 1888, with a warm kettle on the stove.",
        "Nobody has ever explained what happened to her sailors.",
    ]


def test_topic_of_a_paragraph_brings_none_of_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "planets.txt").write_text("Mars is red. It has two moons.\n\nVenus is hot. It has no moon.\n")
    assert said(Bm25Answerer(tmp_path), "tell me about Venus") == "Venus is hot. It has no moon."


def test_topic_of_a_section_brings_all_its_paragraphs(tmp_path: Path) -> None:
    answerer = folder_of(tmp_path, a="# Mill\n\nIt turns.\n\nIt grinds.\n\n# Ferry\n\nIt sails.")
    assert said(answerer, "tell me about the mill") == "It turns. It grinds."


def test_one_sentence_is_knowledge_enough(tmp_path: Path) -> None:
    answerer = folder_of(tmp_path, mill="The mill was built in 1850.")
    assert said(answerer, "when was the mill built") == "The mill was built in 1850."
    assert said(answerer, "how old is the mill") == "The mill was built in 1850."
    assert said(answerer, "tell me about the mill") == "The mill was built in 1850."
    assert said(answerer, "who won the world cup") == UNKNOWN
    assert said(answerer, "how heavy is the mill") == UNKNOWN


def test_heading_and_file_name_are_searched(tmp_path: Path) -> None:
    answerer = folder_of(
        tmp_path, old_mill="It was built in 1850.", x="# Ferry\n\nIt was built in 1990.", y="# Tower\n\nIt is tall."
    )
    assert said(answerer, "when was the old mill built") == "It was built in 1850."
    assert said(answerer, "when was the ferry built") == "It was built in 1990."


def test_second_sentence_adds_what_was_asked_for(tmp_path: Path) -> None:
    text = "The port has a ferry. The crossing costs two pounds. Seals live nearby. Gulls live nearby."
    answerer = folder_of(tmp_path, port=text, other="The mill turns. The tower is tall.")
    assert said(answerer, "how much does the ferry cost") == "The port has a ferry. The crossing costs two pounds."


def test_second_sentence_goes_on_about_the_same_thing(tmp_path: Path) -> None:
    answerer = folder_of(tmp_path, a="The mill stands on a hill. It has four sails. Geese live nearby.")
    assert said(answerer, "where is the mill") == "The mill stands on a hill. It has four sails."


def test_a_figure_is_told_in_one_sentence(tmp_path: Path) -> None:
    answerer = folder_of(tmp_path, a="The tower is 90 metres high. It has four bells. Geese live nearby.")
    assert said(answerer, "how high is the tower") == "The tower is 90 metres high."
    assert said(answerer, "what is the tower") == "The tower is 90 metres high. It has four bells."


FERRY = """# Island ferry

The ferry sails to Skerry Island. It takes bicycles.

## Timetable

From Tuesday to Friday it leaves at 8:30. It is painted white. The engine is oiled once a week.

## Fares

| Ticket | Fare |
|---|---|
| Adult | 6 dollars |
| Child under 16 | 3 dollars |

Groups of ten pay 50 dollars.

## Boarding

Show your ticket at the gate. Walk up the ramp. The ramp is steep.

## Can I bring my dog?

Yes. Dogs travel free on a lead. Visitors with cats need a basket.
"""


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("does it leave on Wednesday", "From Tuesday to Friday it leaves at 8:30."),
        ("how often is the engine oiled", "The engine is oiled once a week."),
        ("what time does it leave", "From Tuesday to Friday it leaves at 8:30."),
        ("how much is the ticket for a child", "Child under 16: 3 dollars."),
        ("what does a ticket cost", "Adult: 6 dollars; Child under 16: 3 dollars."),
        ("what do groups pay", "Groups of ten pay 50 dollars."),
        ("fares", "Adult: 6 dollars. Child under 16: 3 dollars. Groups of ten pay 50 dollars."),
        ("tell me about fares", "Adult: 6 dollars. Child under 16: 3 dollars. Groups of ten pay 50 dollars."),
        ("how do I board", "Show your ticket at the gate. Walk up the ramp."),
        ("can I take my bike", "It takes bicycles."),
        ("how can I bring my dog", "Dogs travel free on a lead."),
        ("may I visit with a cat", "Visitors with cats need a basket."),
        ("tell me about the island ferry", "The ferry sails to Skerry Island. It takes bicycles. From Tuesday"),
        ("who invented the ferry", UNKNOWN),
        ("does it leave on Mondays", UNKNOWN),
    ],
)
def test_questions_of_all_kinds_get_the_sentence_that_answers(tmp_path: Path, question: str, answer: str) -> None:
    assert said(folder_of(tmp_path, ferry=FERRY), question).startswith(answer)


def test_numbers_are_found_as_digits_and_as_words(tmp_path: Path) -> None:
    answerer = folder_of(tmp_path, a="There are five gates.", b="Room 7 is locked.", c="The roof is green.")
    assert said(answerer, "where are the 5 gates") == "There are five gates."
    assert said(answerer, "is room seven locked") == "Room 7 is locked."


@pytest.mark.parametrize(
    "question",
    [
        "how old is the brooklin bridge",
        "how old is the Brooklyn brigde",
        "how old is the brook lyn bridge",
        "HOW OLD IS THE BROOKLYN BRIDGE?",
    ],
)
def test_small_recognition_errors_are_forgiven(tmp_path: Path, question: str) -> None:
    answerer = folder_of(
        tmp_path,
        bridge="The Brooklyn Bridge opened in 1883. Cats like it.",
        mill="The mill was built in 1850.",
        ferry="The ferry sails twice a day.",
    )
    assert said(answerer, question).startswith("The Brooklyn Bridge opened in 1883.")


def test_accents_and_other_scripts_are_found(tmp_path: Path) -> None:
    answerer = folder_of(
        tmp_path, a="The Café Ørsted is on Ångström Street.", b="Москва is the city.", c="A third one."
    )
    assert "Ångström" in said(answerer, "where is angstrom street")
    assert said(answerer, "what is Москва") == "Москва is the city."


def test_question_as_a_heading_is_answered_below_it(tmp_path: Path) -> None:
    answerer = folder_of(
        tmp_path,
        faq="# What do you do?\n\nWe mend shoes.\n\n# How do I pay?\n\nAt the desk.",
    )
    assert said(answerer, "what do you do") == "We mend shoes."
    assert said(answerer, "how do I pay") == "At the desk."


def test_a_word_that_only_begins_like_a_known_one_is_another(tmp_path: Path) -> None:
    answerer = folder_of(tmp_path, a="I only count what you heard.", b="The mill grinds photographs.", c="Geese swim.")
    assert said(answerer, "ask what you can do for your country") == UNKNOWN
    assert said(answerer, "what does it do with photography") == "The mill grinds photographs."


def test_measure_without_a_figure_is_no_answer(tmp_path: Path) -> None:
    answerer = folder_of(tmp_path, a="Nothing of the old answer is played.", b="The mill turns.", c="The ferry sails.")
    assert said(answerer, "how old are you") == UNKNOWN


def test_preface_of_a_question_is_no_part_of_it(tmp_path: Path) -> None:
    answerer = folder_of(tmp_path, a="The well is 81 metres deep.", b="The wall is high.", c="The inn has rooms.")
    assert said(answerer, "Well, can you tell me how deep the well is?") == "The well is 81 metres deep."
    assert said(answerer, "tell me about the well") == "The well is 81 metres deep."


@pytest.mark.parametrize(
    "text", ["word" * 16_000, "bridge " * 9_000, " ".join(f"w{i}" for i in range(9_000)), "a'" * 30_000]
)
def test_a_text_that_is_no_question_is_not_known(museum: Bm25Answerer, text: str) -> None:
    assert said(museum, text) == UNKNOWN


def test_two_thousand_passages_are_searched(tmp_path: Path) -> None:
    for number in range(20):
        lines = [f"House {number * 100 + i} on the street belongs to owner{number * 100 + i}." for i in range(100)]
        (tmp_path / f"{number}.txt").write_text("\n\n".join(lines))
    answerer = Bm25Answerer(tmp_path)
    sentences = found(answerer, "who does house 1234 belong to")
    assert [(each.text, each.source) for each in sentences] == [
        ("House 1234 on the street belongs to owner1234.", "12.txt")
    ]
    assert said(answerer, "what is the capital of France") == UNKNOWN
    assert said(answerer, "who won the world cup") == UNKNOWN
