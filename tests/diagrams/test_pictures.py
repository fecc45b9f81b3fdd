"""The pictures: well formed, the same bytes every time, lit by ids, readable in the dark and with any font."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from diagrams.check import GENERATED, committed_drawings, stale
from diagrams.extract import conversation_model
from diagrams.ids import edge_id, full_edge_id, state_id
from diagrams.load import model_of
from diagrams.palette import CARD, OTHERS, PALETTE, TINTS
from diagrams.render import FORMATS, LEVELS, CannotDraw, draw, render

ROOT = Path(__file__).parents[2]
DOOR_LOCK = "examples.door_lock:DoorLock"


@pytest.mark.parametrize("level", LEVELS)
def test_the_picture_is_well_formed_and_its_ids_are_unique(level: str) -> None:
    root = ET.fromstring(render("svg", level))
    ids = [element.get("id", "") for element in root.iter() if element.get("id")]
    assert [name for name, count in Counter(ids).items() if count > 1] == []
    assert {state_id(state.path) for state in conversation_model().all_states} <= set(ids)


def test_the_overview_has_a_line_for_every_change_of_state_and_hanging_up_once() -> None:
    ids = {element.get("id") for element in ET.fromstring(render("svg", "overview")).iter()}
    model = conversation_model()
    outer = {
        (edge.source.split(".")[0], edge.target.split(".")[0])
        for edge in model.edges
        if edge.target is not None and edge.trigger != "session_ended"
    }
    assert {edge_id(*pair) for pair in outer if pair[0] != pair[1]} <= ids
    assert len([name for name in ids if name and name.startswith("e_every")]) == 1


def test_the_full_chart_has_a_line_for_every_way() -> None:
    ids = {element.get("id") for element in ET.fromstring(render("svg", "full")).iter()}
    assert "e_SPEAKING__barge_in__INTERRUPT_ducked" in ids
    drawn = {full_edge_id(edge) for edge in conversation_model().edges if edge.target is not None}
    assert {name for name in ids if name and name.startswith("e_")} <= drawn


@pytest.mark.parametrize("level", LEVELS)
def test_the_picture_can_be_taken_into_a_page_and_read_in_the_dark(level: str) -> None:
    picture = render("svg", level).decode()
    assert picture.startswith("<svg")
    assert "prefers-color-scheme: dark" in picture
    assert "<!--" not in picture
    assert "<title>" not in picture
    for colours in PALETTE.values():
        assert colours.line in picture
        assert colours.dark_line in picture
    style = picture[picture.index("<style>") : picture.index("</style>")]
    for attribute, colour in set(re.findall(r'(stroke|fill)="(#[0-9a-f]{6}|white|black)"', picture)):
        assert f'[{attribute}="{colour}"]' in style, "every colour has one for the dark"


def test_letters_are_as_wide_as_they_were_measured_in_any_font() -> None:
    picture = render("svg").decode()
    texts = re.findall(r"<text [^>]*>", picture)
    assert texts
    assert all('textLength="' in text and "font-family" not in text for text in texts)


def test_png_has_a_ground_of_its_own() -> None:
    picture = render("png", "overview")
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    at, data = 8, b""
    while at < len(picture):
        length = int.from_bytes(picture[at : at + 4], "big")
        if picture[at + 4 : at + 8] == b"IDAT":
            data += picture[at + 8 : at + 8 + length]
        at += length + 12
    # Of the first pixel every filter of PNG leaves the colour as it is.
    assert zlib.decompress(data)[1:5] == b"\xff\xff\xff\xff"


def test_the_same_bytes_come_for_any_hash_seed_and_twice_in_a_row() -> None:
    script = (
        "import hashlib\n"
        "from diagrams.check import committed_drawings\n"
        "from diagrams.load import model_of\n"
        "from diagrams.render import FORMATS, LEVELS, draw, render\n"
        "for turn in range(2):\n"
        "    render.cache_clear()\n"
        "    made = dict(committed_drawings())\n"
        f"    lock = model_of({DOOR_LOCK!r})\n"
        "    made |= {f'{kind} {level}': draw(lock, kind, level) for kind in FORMATS for level in LEVELS}\n"
        "    for name, data in sorted(made.items()): print(name, hashlib.sha256(data).hexdigest())\n"
        "    print('--')\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, check=True,
            capture_output=True, text=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }  # fmt: skip
    assert len(outputs) == 1
    first, second = outputs.pop().split("--\n")[:2]
    assert first == second
    assert len(first.splitlines()) > 20


def test_the_committed_drawings_are_current() -> None:
    assert stale() == {}
    assert {path.name for path in GENERATED.iterdir()} == set(committed_drawings())


def test_a_stale_drawing_is_told_with_what_changed(tmp_path: Path) -> None:
    for name, data in committed_drawings().items():
        (tmp_path / name).write_bytes(data)
    table = tmp_path / "conversation.md"
    table.write_text(table.read_text().replace("barge_in", "barge_out", 1))
    (tmp_path / "overview.dot").unlink()
    found = stale(tmp_path)
    assert set(found) == {"conversation.md", "overview.dot"}
    assert "barge_out" in found["conversation.md"]
    (tmp_path / "conversation.json").write_text("nonsense\n" * 500)
    difference = stale(tmp_path)["conversation.json"]
    assert "more" in difference.splitlines()[-1]
    assert len(difference.splitlines()) < 40


def test_pictures_are_not_compared_since_two_renderers_draw_them_differently(tmp_path: Path) -> None:
    for name, data in committed_drawings().items():
        (tmp_path / name).write_bytes(b"<svg/>" if name.endswith(".svg") else data)
    assert stale(tmp_path) == {}


@pytest.mark.parametrize("kind", FORMATS)
def test_another_chart_is_drawn_too(kind: str) -> None:
    model = model_of(DOOR_LOCK)
    for level in LEVELS:
        drawing = draw(model, kind, level)
        assert drawing
        if kind != "png":
            assert b"LOCKED" in drawing


def test_mermaid_names_every_state_and_edge_and_hanging_up_once() -> None:
    text = render("mermaid").decode()
    assert text.startswith("stateDiagram-v2")
    assert "SPEAKING --> INTERRUPT_ducked: barge_in [interruptible]" in text
    assert text.count("{") == text.count("}")
    assert text.count("session_ended") == 1
    for leaf in conversation_model().leaves:
        assert f"as {leaf.path.replace('.', '_')}" in text


def test_the_table_has_a_row_for_every_state_edge_guard_and_action() -> None:
    model = conversation_model()
    rows = [line for line in render("table").decode().splitlines() if line.startswith("|")]
    entries = len(model.all_states) + len(model.edges) + len(model.guards) + len(model.actions)
    assert len(rows) == entries + 2 * 4
    widths = Counter(len(re.findall(r"(?<!\\)\|", row)) - 1 for row in rows)
    assert set(widths) == {5, 6, 2, 3}
    assert any("Playout duck" in row for row in rows)


def test_what_cannot_be_drawn_is_said_in_words() -> None:
    with pytest.raises(CannotDraw, match="svg"):
        render("gif")
    with pytest.raises(CannotDraw, match="overview"):
        render("svg", "detail")
    with pytest.raises(CannotDraw, match="pure"):
        render("svg", "full", "other")


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", ["ink", "soft", "guard", "added", "removed", "changed"])
def test_small_letters_can_be_read_on_every_ground(name: str) -> None:
    """WCAG 2.2, success criterion 1.4.3: a contrast of 4.5 for text."""
    tint = TINTS[name]
    for colours in (*PALETTE.values(), *OTHERS):
        assert _contrast(tint.light, colours.ground) > 4.4, colours
        assert _contrast(tint.dark, colours.dark_ground) > 4.5, colours
    assert _contrast(tint.light, CARD.light) > 4.5
    assert _contrast(tint.dark, CARD.dark) > 4.5
