"""What was taken, laid over the chart; and one way through it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from diagrams.coverage import Coverage, CoverageFile, path_overlay
from diagrams.extract import conversation_model
from diagrams.layout import lay_out
from diagrams.palette import TINTS
from diagrams.render import draw
from tests.diagrams.charts import blemishes

ROOT = Path(__file__).parents[2]
MODEL = conversation_model()
AWAY = "LISTENING.quiet → IDLE.away: away"
CONNECTED = "IDLE → LISTENING.quiet: connected"
STARTED = "LISTENING.quiet → LISTENING.hearing: speech_started"
SVG = "{http://www.w3.org/2000/svg}"


def _lines(picture: bytes) -> dict[str, ET.Element]:
    """Return the line of each edge in a picture."""
    groups = ET.fromstring(picture).iter(f"{SVG}g")
    return {group.get("id", ""): path for group in groups for path in list(group.iter(f"{SVG}path"))[:1]}


def test_what_was_never_taken_is_listed() -> None:
    found = Coverage(model=MODEL, taken={CONNECTED: 3, AWAY: 1}, source="3 calls")
    assert len(found.never) == len(MODEL.edges) - 2
    assert found.summary == f"3 calls took 2 of the {len(MODEL.edges)} edges of ConversationChart"
    table = found.table()
    assert f"- `{STARTED}`" in table
    assert table.index(f"| 3 | `{CONNECTED}` |") < table.index(f"| 1 | `{AWAY}` |")
    assert json.loads(found.json())["never"] == [str(edge) for edge in found.never]


def test_an_edge_of_another_version_is_told_and_not_counted() -> None:
    found = Coverage(model=MODEL, taken={"A → B: gone": 7}, source="1 call")
    assert found.unknown == ["A → B: gone"]
    assert len(found.never) == len(MODEL.edges)
    assert "A → B: gone" in found.table()


def test_what_is_taken_often_is_wide_and_what_is_never_taken_dashed() -> None:
    found = Coverage(model=MODEL, taken={CONNECTED: 1000, AWAY: 1, STARTED: 30}, source="1000 calls")
    picture = draw(MODEL, "svg", overlay=found.overlay())
    lines = _lines(picture)
    width = {name: float(line.get("stroke-width", "1")) for name, line in lines.items()}
    often, sometimes, once = (
        width[name]
        for name in (
            "e_IDLE__connected__LISTENING_quiet",
            "e_LISTENING_quiet__speech_started__LISTENING_hearing",
            "e_LISTENING_quiet__away__IDLE_away",
        )
    )
    assert often > sometimes > once
    never = lines["e_SPEAKING__barge_in__INTERRUPT_ducked"]
    assert never.get("stroke-dasharray")
    assert never.get("stroke") == TINTS["removed"].light
    assert lines["e_LISTENING_quiet__away__IDLE_away"].get("stroke-dasharray") is None
    text = picture.decode()
    assert " 1000x<" in text
    assert "the guide&#39;s edge" not in text  # dashes mean something else here


def test_hanging_up_counts_wherever_it_happened() -> None:
    hung_up = [str(edge) for edge in MODEL.edges if edge.trigger == "session_ended"]
    found = Coverage(model=MODEL, taken=dict.fromkeys(hung_up[:3], 2), source="6 calls")
    assert " 6x<" in draw(MODEL, "svg", overlay=found.overlay()).decode()


def test_a_path_is_lit_and_numbered_and_the_rest_faint() -> None:
    overlay = path_overlay(MODEL, [CONNECTED, STARTED, CONNECTED], "how it came to this")
    picture = draw(MODEL, "svg", overlay=overlay)
    lines = _lines(picture)
    assert lines["e_LISTENING_quiet__away__IDLE_away"].get("stroke") == TINTS["faded"].light
    assert float(lines["e_IDLE__connected__LISTENING_quiet"].get("stroke-width", "1")) > 3
    text = re.sub(r"<[^>]*>", "", picture.decode())
    assert "(1, 3)" in text
    assert "how it came to this" in text
    assert list(blemishes(lay_out(MODEL, overlay))) == []


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_test_run_writes_down_what_it_took(tmp_path: Path, workers: str) -> None:
    out = tmp_path / "taken.json"
    pytest_in = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", workers]
    done = subprocess.run(
        [*pytest_in, "tests/charts/test_interruptions.py"],
        cwd=ROOT, env={**os.environ, "VOICECHART_COVERAGE": str(out)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    run = msgspec.json.decode(out.read_bytes(), type=CoverageFile)
    found = Coverage(model=MODEL, taken=run.taken, source="1 test run")
    assert found.unknown == []
    assert any(text.startswith("SPEAKING → INTERRUPT.ducked") for text in run.taken)
