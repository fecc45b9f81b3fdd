"""Which files of a folder are read, and what happens to the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapters.answers.documents import MAX_FILE_BYTES, read_folder
from adapters.answers.port import KnowledgeMissing

GOOD = "The mill was built in 1850."


def test_files_of_all_subfolders_are_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "b.txt").write_bytes(b"\xef\xbb\xbfThe second.\r\n\r\nThe third.\r\n")
    (tmp_path / "A.MD").write_text("The first.")
    (tmp_path / "deep" / "er" / "c.md").write_text("Der Fährmann.", encoding="utf-8")
    passages = read_folder(tmp_path)
    assert [(each.source, each.sentences) for each in passages] == [
        ("A.MD", ("The first.",)),
        ("b.txt", ("The second.",)),
        ("b.txt", ("The third.",)),
        ("deep/er/c.md", ("Der Fährmann.",)),
    ]


def test_files_that_cannot_be_read_are_reported_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text(GOOD)
    (tmp_path / "scan.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / "latin.txt").write_bytes("Fähre".encode("latin-1"))
    (tmp_path / "binary.md").write_bytes(b"\0\1\2")
    (tmp_path / "gone.md").symlink_to(tmp_path / "nowhere")
    (tmp_path / "huge.txt").write_bytes(b"a" * (MAX_FILE_BYTES + 1))
    (tmp_path / "empty.md").write_text("")
    (tmp_path / ".hidden.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "note.md").write_text("Not for reading.")
    with capture_logs() as logs:
        passages = read_folder(tmp_path)
    assert [each.sentences for each in passages] == [(GOOD,)]
    assert [entry["log_level"] for entry in logs] == ["warning"] * 6
    assert {entry["file"]: entry["reason"] for entry in logs} == {
        "scan.pdf": "only .md and .txt files are read",
        "latin.txt": "it is not UTF-8 text (byte 1)",
        "binary.md": "it is not text: it holds zero bytes",
        "gone.md": "it is not a regular file, or a link to nothing",
        "huge.txt": "it is larger than 5 MB",
        "empty.md": "it holds no sentence",
    }


def test_a_folder_that_gives_nothing_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "file.md"
    file.write_text(GOOD)
    empty = tmp_path / "empty"
    empty.mkdir()
    unreadable = tmp_path / "unreadable"
    unreadable.mkdir()
    (unreadable / "x.pdf").write_bytes(b"%PDF")
    for folder, said in (
        (tmp_path / "none", "does not exist"),
        (file, "is not a folder"),
        (empty, "found nothing"),
        (unreadable, "found nothing"),
    ):
        with pytest.raises(KnowledgeMissing, match=f"{said}.*Point --knowledge"):
            read_folder(folder)
