"""Cuts a document into passages of sentences that can be spoken."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token
from msgspec import Struct

from adapters.answers.sentences import split_sentences

__all__ = ["PASSAGE_WORDS", "Passage", "passages_of_markdown", "passages_of_text"]

PASSAGE_WORDS = 250
"""Longest passage, in words: about a minute and a half of speech. Longer paragraphs are cut between sentences."""

_JOINED_LIST_WORDS = 45
"""Longest sentence that a list and the line before it are joined to, in words."""

_HEADING_WORDS = 8
"""Longest line of a plain text that can be a heading, in words."""

_STATEMENT_WORDS = 4
"""Shortest line of a plain text that is taken for a statement though it looks like a heading, in words."""

_WRAPPED_CHARS = 60
"""A plain text whose lines are all shorter, and all begin like sentences, has one statement a line."""

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(?:[^\n]*\n)*?(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
_FOOTNOTE = re.compile(r"\[\^[^\]\s]+\]:?")
_LIST_TOKENS = frozenset({"bullet_list_open", "bullet_list_close", "ordered_list_open", "ordered_list_close"})
_BULLET = re.compile(r"\s*(?:[-*•–]|\d{1,3}[.)])\s+")
_PARAGRAPH_BREAK = re.compile(r"\n[ \t]*\n")


class Passage(Struct, frozen=True, kw_only=True):
    """A paragraph, or a list with the line before it, and the headings it stands under."""

    source: str
    """The file, relative to the knowledge folder."""
    headings: tuple[str, ...]
    """From the outermost to the nearest; the file's name where there are none."""
    sentences: tuple[str, ...]
    columns: tuple[str, ...] = ()
    """What the columns are called, if it is a table: that is said of every row."""


def passages_of_markdown(text: str, *, source: str, name: str) -> Iterator[Passage]:
    """Yield the passages of a Markdown document, in order; code, HTML and images are left out.

    Args:
        text: The document.
        source: Goes into every passage.
        name: What the document is about as far as its file name says.
    """
    headings: list[tuple[int, str]] = []
    paragraph: list[str] = []
    parser = MarkdownIt("commonmark").enable("table")
    blocks = _blocks(parser.parse(_FRONT_MATTER.sub("", text, count=1)))
    for level, lines, columns in blocks:
        is_item = level < 0
        if columns:
            yield from _cut(paragraph, headings, source, name)
            yield from _cut(lines, headings, source, name, columns)
            paragraph = []
            continue
        if paragraph and not (is_item and paragraph[-1].endswith(":")):
            yield from _cut(paragraph, headings, source, name)
            paragraph = []
        if level > 0:
            headings = [heading for heading in headings if heading[0] < level] + [(level, " ".join(lines))]
        else:
            paragraph += [_join_list(paragraph.pop(), lines)] if is_item and paragraph else lines
    yield from _cut(paragraph, headings, source, name)


def passages_of_text(text: str, *, source: str, name: str) -> Iterator[Passage]:
    """Yield the passages of a plain text, in order: its paragraphs, under the short unpunctuated lines among them."""
    sections: list[tuple[str, list[list[str]]]] = [("", [])]
    for block in _PARAGRAPH_BREAK.split(text):
        lines = [line.strip() for line in block.splitlines() if re.search(r"\w", line)]
        if lines and _is_heading(lines[0], lines[1:]):
            sections.append((lines.pop(0).strip("#=*_ \t"), []))
        if lines:
            sections[-1][1].append(lines)
    for heading, paragraphs in sections:
        for lines in paragraphs:
            yield from _cut(_statements(lines), [(1, heading)], source, name)
        # "The mill was built in 1850" over nothing is a statement without its full stop.
        if not paragraphs and len(heading.split()) >= _STATEMENT_WORDS:
            yield from _cut([heading], [], source, name)


def _is_heading(line: str, following: Sequence[str]) -> bool:
    """Return whether a line is short, neither an item nor a sentence, and was not just wrapped before the next one."""
    if len(line.split()) > _HEADING_WORDS or re.search(r"^[-*•–]\s|[.!?;,…]\W*$|: ", line):
        return False
    if not following:
        return True
    longest = max(map(len, following))
    return len(f"{line} {following[0].split()[0]}") < longest and not following[0][0].islower()


def _statements(lines: list[str]) -> list[str]:
    one_each = all(len(line) < _WRAPPED_CHARS and not line[0].islower() for line in lines)
    statements: list[str] = []
    for line in lines:
        bullet = _BULLET.match(line)
        if one_each or bullet or not statements:
            statements.append(line[bullet.end() :] if bullet else line)
        else:
            statements[-1] += " " + line
    return statements


def _cut(
    lines: Sequence[str],
    headings: Sequence[tuple[int, str]],
    source: str,
    name: str,
    columns: tuple[str, ...] = (),
) -> Iterator[Passage]:
    """Yield the passages made of some lines; a line ends a sentence even where it has no full stop."""
    titles = tuple(title for _, title in headings if title) or (name,)
    sentences: list[str] = []
    words = 0
    for sentence in (_ended(sentence) for line in lines for sentence in split_sentences(line)):
        size = len(sentence.split())
        if sentences and words + size > PASSAGE_WORDS:
            yield Passage(source=source, headings=titles, sentences=tuple(sentences), columns=columns)
            sentences, words = [], 0
        if re.search(r"\w", sentence):
            sentences.append(sentence)
            words += size
    if sentences:
        yield Passage(source=source, headings=titles, sentences=tuple(sentences), columns=columns)


def _ended(sentence: str) -> str:
    return sentence if re.search(r"[.!?…:][\"'”’»)\]]*$", sentence) else sentence.rstrip(",;") + "."


def _join_list(lead: str, items: Sequence[str]) -> str:
    """Return a line that ends in a colon and the list it announces: one sentence if that can be spoken in one."""
    if (
        any(len(split_sentences(item)) > 1 for item in items)
        or len(lead.split()) + sum(len(item.split()) for item in items) > _JOINED_LIST_WORDS
    ):
        return " ".join([lead, *map(_ended, items)])
    bare = [item.rstrip(" .,;") for item in items]
    mark = "; " if re.search("[,:]", "".join(bare)) else ", "
    return f"{lead} {mark.join(bare)}."


def _blocks(tokens: Sequence[Token]) -> Iterator[tuple[int, list[str], tuple[str, ...]]]:
    """Yield (heading level, [title]), (0, lines of a paragraph or table), (-1, items of a whole list), each with the
    names of a table's columns; none if it is no table.
    """
    items: list[str] = []
    rows: list[list[str]] = []
    list_depth = 0
    for opener, token in pairwise([Token("", "", 0), *tokens]):
        if token.type in _LIST_TOKENS:
            list_depth += token.nesting
        match token.type:
            case "bullet_list_close" | "ordered_list_close" if not list_depth:
                yield -1, items, ()
                items = []
            case "table_close":
                yield 0, _row_sentences(rows), tuple(rows[0])
                rows = []
            case "tr_open":
                rows.append([])
            case "inline" if opener.type in ("th_open", "td_open"):
                rows[-1].append(" ".join(_spoken(token)))
            case "inline" if opener.type == "heading_open":
                yield int(opener.tag[1:]), _spoken(token), ()
            case "inline" if list_depth:
                items.append(" ".join(_spoken(token)))
            case "inline":
                yield 0, _spoken(token), ()


def _row_sentences(rows: list[list[str]]) -> list[str]:
    """Return the rows of a table as sentences: "Monday: closed", and with the columns named if there are more."""
    header, body = rows[0], [row for row in rows[1:] if any(row)]
    if len(header) == 2:
        return [": ".join(filter(None, row)) + "." for row in body]
    return [
        ", ".join(f"{column}: {cell}" if column else cell for column, cell in zip(header, row, strict=True) if cell)
        + "."
        for row in body
    ]


def _spoken(inline: Token) -> list[str]:
    """Return the lines of a paragraph as they are spoken: no marks, links by their text."""
    text = ""
    for child in inline.children or []:
        if child.type in ("text", "code_inline"):
            text += child.content
        elif child.type == "softbreak":
            text += " "
        elif child.type == "hardbreak":
            text += "\n"
    return [line for line in (_FOOTNOTE.sub("", line).strip() for line in text.splitlines()) if line]
