"""Reads a folder of documents."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import structlog

from adapters.answers.passages import Passage, passages_of_markdown, passages_of_text
from adapters.answers.port import KnowledgeMissing
from statecharts.events import VoicechartError

__all__ = ["MAX_FILE_BYTES", "read_folder"]

MAX_FILE_BYTES = 5_000_000
"""Largest document that is read: some thousand pages. What is larger is hardly prose."""

_READERS = {".md": passages_of_markdown, ".txt": passages_of_text}

_log = structlog.get_logger()


class _UnreadableFile(VoicechartError):
    """A file that is passed over; the message says why."""


def read_folder(folder: Path) -> list[Passage]:
    """Return the passages of every `.md` and `.txt` file below a folder, by path and position.

    Other files, and those that cannot be read, are reported by a warning and skipped; hidden ones silently.

    Raises:
        KnowledgeMissing: The folder does not exist, is no folder, or holds no sentence at all.
    """
    advice = "Point --knowledge at a folder of .md or .txt files."
    if not folder.exists():
        raise KnowledgeMissing(f"cannot read the knowledge folder {folder}: it does not exist. {advice}")
    if not folder.is_dir():
        raise KnowledgeMissing(f"cannot read the knowledge folder {folder}: it is not a folder. {advice}")
    passages: list[Passage] = []
    for path in sorted(_files(folder)):
        source = path.relative_to(folder).as_posix()
        try:
            passages += _read_file(path, source)
        except _UnreadableFile as error:
            _log.warning("knowledge_file_skipped", file=source, reason=str(error))
    if not passages:
        raise KnowledgeMissing(f"found nothing to read in the knowledge folder {folder}. {advice}")
    return passages


def _files(folder: Path) -> Iterator[Path]:
    def report(error: OSError) -> None:
        _log.warning("knowledge_folder_skipped", folder=str(error.filename), reason=error.strerror)

    for parent, folders, names in os.walk(folder, onerror=report):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(parent, name) for name in names if not name.startswith("."))


def _read_file(path: Path, source: str) -> list[Passage]:
    reader = _READERS.get(path.suffix.casefold())
    if reader is None:
        raise _UnreadableFile("only .md and .txt files are read")
    try:
        if not path.is_file():
            raise _UnreadableFile("it is not a regular file, or a link to nothing")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise _UnreadableFile(f"it is larger than {MAX_FILE_BYTES / 1e6:.0f} MB")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise _UnreadableFile(error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise _UnreadableFile(f"it is not UTF-8 text (byte {error.start})") from error
    if "\0" in text:
        raise _UnreadableFile("it is not text: it holds zero bytes")
    name = " ".join(path.stem.replace("_", " ").replace("-", " ").split())
    passages = list(reader(text.replace("\r\n", "\n").replace("\r", "\n"), source=source, name=name))
    if not passages:
        raise _UnreadableFile("it holds no sentence")
    return passages
