"""The recordings that the benchmarks speak, and where the speech in them truly ends."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from app.caller.wav import Speech, read_wav
from statecharts.events import VoicechartError

__all__ = ["FOLDER", "MANIFEST", "BadClips", "manifest_rows", "read_speech"]

FOLDER = Path(__file__).parents[2] / "tests" / "speech"
"""What is spoken unless other recordings are named."""
MANIFEST = "manifest.csv"


class BadClips(VoicechartError):
    """A folder whose list of clips cannot be used; the message says why."""


def manifest_rows(folder: Path) -> list[dict[str, str]]:
    """Return what a folder's manifest says of its clips, one row each.

    Raises:
        BadClips: There is none, or it has no column `file`.
    """
    path = folder / MANIFEST
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadClips(f"cannot read the clips' list {path}: {error}. It is a CSV file with a column file.") from error
    if rows and "file" not in rows[0]:
        raise BadClips(f"{path} has the columns {', '.join(rows[0])}; one must be called file.")
    return rows


def read_speech(path: Path) -> Speech:
    """Read a recording; where the manifest beside it gives an `end_s`, the speech ends there.

    A noise after the last word can be as loud as speech, and no rule of levels tells the two apart.

    Raises:
        BadRecording: It cannot be spoken.
        BadClips: The manifest cannot be used.
    """
    speech = read_wav(path)
    for end_s in _ends_of(path):
        speech = replace(speech, end_s=min(end_s, speech.duration_s))
    return speech


def _ends_of(path: Path) -> Iterator[float]:
    if not (path.parent / MANIFEST).is_file():
        return
    for row in manifest_rows(path.parent):
        told = (row.get("end_s") or "").strip()
        if row["file"] != path.name or not told:
            continue
        try:
            yield float(told)
        except ValueError:
            raise BadClips(f"{path.parent / MANIFEST}: end_s of {path.name} is {told!r}, not a number") from None
