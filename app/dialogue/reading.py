"""Reads the dialogue texts, and says of a wrong file where it is wrong and what was expected."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from statecharts.events import VoicechartError
from statecharts.phrases import Fillers, Phrases, Variants

__all__ = ["DELIVERED", "BadDialogue", "read_phrases"]

DELIVERED = Path(__file__).with_name("texts.toml")
"""The texts that come with us."""
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
"""A tag as in BCP 47: `de`, `pt-BR`."""

_Texts = dict[str, object]
"""A language as written: variants by name, and a table of them under `filler`."""


class BadDialogue(VoicechartError):
    """A file of texts that cannot be used; the message says where it is wrong and what was expected."""


def read_phrases(path: Path, language: str) -> Phrases:
    """Return the texts of a language.

    Args:
        path: The file. What it leaves out is taken from the delivered one, language by language.
        language: Which of its tables.

    Raises:
        BadDialogue: The file cannot be read, something in it is not as it must be, or it has no such language.
    """
    delivered = _read(DELIVERED)
    read = delivered if path == DELIVERED else _read(path)
    for name, texts in read.items():
        if name not in delivered and (missing := sorted(_names() - _told(texts))):
            raise BadDialogue(
                f"{path}: {name}: expected every text, for {name} does not come with us; missing: {', '.join(missing)}"
            )
    if language not in read and language not in delivered:
        raise BadDialogue(
            f"{path}: expected a table [{language}], for the language is set to {language!r}; "
            f"there are {', '.join(sorted({*read, *delivered}))}"
        )
    texts, base = read.get(language, {}), delivered.get(language, {})
    fillers = {**_fillers(base), **_fillers(texts)}
    return msgspec.convert({**base, **texts, "filler": fillers}, Phrases)


def _read(path: Path) -> dict[str, _Texts]:
    """Return every language of a file, checked."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadDialogue(f"{path}: expected a TOML file that can be read: {error.strerror}") from error
    except ValueError as error:  # no UTF-8, or no TOML
        raise BadDialogue(f"{path}: expected a TOML file: {error}") from error
    for language, texts in document.items():
        if not _LANGUAGE.fullmatch(language) or not isinstance(texts, dict):
            raise BadDialogue(f"{path}: {language}: expected a table for each language, such as [en]; found {texts!r}")
        for name, value in texts.items():
            if name == "filler":
                _check_fillers(path, language, value)
            else:
                _check(path, f"{language}.{name}", value, {*Phrases.__struct_fields__})
    return document


def _check_fillers(path: Path, language: str, table: object) -> None:
    if not isinstance(table, dict):
        raise BadDialogue(
            f"{path}: {language}.filler: expected a table [{language}.filler] with lists of texts by intent "
            f"({', '.join(Fillers.__struct_fields__)}); found {table!r}"
        )
    for intent, value in table.items():
        key = f"{language}.filler.{intent}"
        variants = _check(path, key, value, {*Fillers.__struct_fields__})
        if variants and len(set(variants)) < 2:
            raise BadDialogue(
                f"{path}: {key}: expected two different texts at least, for none is said twice in a row, or []; "
                f"found {value!r}"
            )


def _check(path: Path, key: str, value: object, known: set[str]) -> Variants:
    """Return a list of texts, if this is one, under a name that is known."""
    if key.split(".")[-1] not in known:
        raise BadDialogue(f"{path}: {key}: expected one of {', '.join(sorted(known))}")
    if not isinstance(value, list) or not all(isinstance(text, str) and text.strip() for text in value):
        raise BadDialogue(
            f'{path}: {key}: expected a list of texts, such as ["One moment."], or [] to say nothing; found {value!r}'
        )
    return tuple(value)


def _names() -> set[str]:
    """Return the name of every text there is."""
    return {*Phrases.__struct_fields__} - {"filler"} | {f"filler.{intent}" for intent in Fillers.__struct_fields__}


def _told(texts: _Texts) -> set[str]:
    return {*texts} - {"filler"} | {f"filler.{intent}" for intent in _fillers(texts)}


def _fillers(texts: Mapping[str, object]) -> dict[str, object]:
    fillers = texts.get("filler", {})
    assert isinstance(fillers, dict)
    return fillers
