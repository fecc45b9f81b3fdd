"""Answers from a folder of documents by quoting the sentences that fit best."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from adapters.answers.documents import read_folder
from adapters.answers.index import AskedTerm, PassageIndex
from adapters.answers.port import Sentence
from adapters.answers.questions import Question, parse_question
from adapters.answers.ranking import FoundSentence, rank_sentences, singled_out, title_fit, with_second

__all__ = ["UNKNOWN", "Bm25Answerer"]

UNKNOWN = "I do not know that, because I found nothing about it in my documents."

_MIN_COVERAGE = 0.64
"""Share of a question's weight that a sentence and its surroundings must cover, or we do not know: a share, so it means
the same in a folder of one sentence and of thousands. Of two words one is not enough, of three two are, just."""

_PASSAGES = 12
"""Passages whose sentences are compared."""

_TITLE_LIKENESS = 0.8
"""How alike a question without telling words and a heading must be: "what do you do" is answered under "What can you
do?", and "who are you" is not."""

_SECTION_WORDS = 120
"""Longest description that is joined from several paragraphs of a section, in words: 45 seconds of speech."""

_TABLE_WORDS = 45
"""Longest table that is read out as one sentence, in words; of a longer one, its beginning."""


class Bm25Answerer:
    """An `Answerer` that extracts: every sentence it says stands in a document.

    Args:
        folder: Searched for `.md` and `.txt` files, subfolders included.

    Raises:
        KnowledgeMissing: The folder holds nothing that can be read.
    """

    def __init__(self, folder: Path) -> None:
        self._index = PassageIndex(read_folder(folder))

    @property
    def name(self) -> str:
        """How much there is to answer from."""
        sources = {passage.source for passage in self._index.passages}
        return f"{len(sources)} files, {len(self._index.passages)} passages"

    async def answer(self, text: str) -> AsyncIterator[Sentence]:
        """Yield the best sentence or two, or for "tell me about X", or the bare name of a heading, the whole passage.

        The last one is final.
        """
        question = parse_question(text)
        asked = self._index.understand(question.terms)
        found = self._best_sentence(question, asked) if asked else self._titled(question)
        if found is None:
            yield Sentence(text=UNKNOWN, is_final=True)
            return
        named = question.manner == "topic" and title_fit(self._index, found.position, asked) == 1.0
        passage = self._index.passages[found.position]
        if question.manner == "description" or named:
            texts = self._whole_passage(found.position, asked)
        elif passage.columns and not singled_out(self._index, found, asked):
            texts = [_in_one_sentence(passage.sentences)]
        else:
            texts = [passage.sentences[place] for place in with_second(self._index, found, question, asked)]
        for number, sentence in enumerate(texts, start=1):
            yield Sentence(
                text=sentence,
                source=passage.source,
                score=round(min(found.coverage, 1.0), 3),
                is_final=number == len(texts),
            )

    def _titled(self, question: Question) -> FoundSentence | None:
        found = self._index.titled(question.words, likeness=_TITLE_LIKENESS)
        return None if found is None else FoundSentence(found.position, 0, found.relevance, found.relevance)

    def _best_sentence(self, question: Question, asked: Sequence[AskedTerm]) -> FoundSentence | None:
        candidates = [
            found
            for hit in self._index.search(asked, limit=_PASSAGES)
            for found in rank_sentences(self._index, hit, question, asked)
            if found.coverage >= _MIN_COVERAGE
        ]
        return max(candidates, key=lambda found: found.rank, default=None)

    def _whole_passage(self, position: int, asked: Sequence[AskedTerm]) -> list[str]:
        """Return the sentences of a passage, or of the beginning of the section whose heading is the asked topic."""
        passages = self._index.passages
        depth = self._topic_depth(position, asked)
        if not depth:
            return list(passages[position].sentences)
        section = self._section_of(position, depth)
        while position and self._section_of(position - 1, depth) == section:
            position -= 1
        texts = list(passages[position].sentences)
        for follower in range(position + 1, len(passages)):
            more = [*texts, *passages[follower].sentences]
            if self._section_of(follower, depth) != section or len(" ".join(more).split()) > _SECTION_WORDS:
                break
            texts = more
        return texts

    def _topic_depth(self, position: int, asked: Sequence[AskedTerm]) -> int:
        """Return which of a passage's headings names the topic best, counted from the outermost; 0 if none does."""
        titles = self._index.title_terms[position]
        if not asked:
            return len(titles)
        depth, best = 0, 0.0
        for level, title in enumerate(titles, start=1):
            named = sum(term.named(title) for term in asked)
            fit = 2 * named / (len(title) + len(asked))
            if named >= _MIN_COVERAGE * len(asked) and fit >= best:
                depth, best = level, fit
        return depth

    def _section_of(self, position: int, depth: int) -> tuple[str, ...]:
        passage = self._index.passages[position]
        return (passage.source, *passage.headings[:depth])


def _in_one_sentence(rows: Sequence[str]) -> str:
    """Return the rows of a table as one sentence: "Monday: closed; Tuesday to Friday: ten to five."."""
    text = rows[0].rstrip(".")
    for row in rows[1:]:
        more = f"{text}; {row.rstrip('.')}"
        if len(more.split()) > _TABLE_WORDS:
            break
        text = more
    return text + "."
