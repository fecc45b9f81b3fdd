"""Drawings of the declared chart."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from statemachine import State, StateChart

from app.cli.diagram import command
from diagrams.check import GENERATED, committed_drawings, stale
from diagrams.extract import GUIDE_EDGES, conversation_model, extract
from diagrams.full import full_edge_id
from diagrams.palette import PALETTE
from diagrams.render import FORMATS, LEVELS, CannotDraw, draw, render
from statecharts.conversation import ConversationChart
from statecharts.timers import DEADLINES

ROOT = Path(__file__).parents[2]


class Door(StateChart[object]):
    """A chart of another domain: flat, no timers."""

    ajar = State("one can walk through", initial=True)
    shut = State("one cannot")
    locked = State("not without a key")

    close = ajar.to(shut)
    lock = shut.to(locked, cond="has_key", on="click")
    unlock = locked.to(shut, cond="has_key")
    push = shut.to(ajar)

    def has_key(self) -> bool:
        return True

    def click(self) -> None:
        """Make a sound."""


def test_every_declared_state_and_edge_is_in_the_model() -> None:
    model = conversation_model()
    declared = [state for outer in ConversationChart.states for state in (outer, *outer.states)]
    assert [leaf.path for state in model.states for leaf in (state, *state.substates)] == [
        f"{state.parent.id}.{state.id}" if state.parent else state.id for state in declared
    ]
    transitions = [edge for state in declared for edge in state.transitions if not edge.initial]
    assert len(model.edges) == len(transitions)
    events = {event.id for edge in transitions for event in edge.events}
    assert {event for edge in model.edges for event in edge.events} == events


def test_the_guides_edges_are_all_there_and_told_apart() -> None:
    outer = {
        (edge.source.split(".")[0], edge.target.split(".")[0]): edge.ours
        for edge in conversation_model().edges
        if edge.target is not None
    }
    assert {pair for pair, ours in outer.items() if not ours and pair[0] != pair[1]} == GUIDE_EDGES
    assert outer["INTERRUPT", "SPEAKING"]


def test_every_waiting_substate_has_a_deadline_with_its_seconds() -> None:
    model = conversation_model()
    for state in model.states:
        for sub in state.substates:
            assert bool(sub.deadlines) == (state.path != "IDLE"), sub.path
            assert all(model.timers[name] > 0 for name in sub.deadlines)
    assert {leaf.path for leaf in model.leaves if leaf.deadlines} == set(DEADLINES)


@pytest.mark.parametrize("level", LEVELS)
def test_the_picture_is_well_formed_and_its_ids_are_unique(level: str) -> None:
    root = ET.fromstring(render("svg", level))
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert [name for name, count in Counter(ids).items() if count > 1] == []
    for state in conversation_model().states:
        assert f"s_{state.path}" in ids
        for sub in state.substates:
            assert f"s_{sub.path.replace('.', '_')}" in ids


def test_the_overview_has_an_edge_for_every_change_of_state_but_hanging_up() -> None:
    ids = {element.get("id") for element in ET.fromstring(render("svg", "overview")).iter()}
    for edge in conversation_model().edges:
        if edge.target is None or edge.trigger == "session_ended":
            continue
        source, target = edge.source.split(".")[0], edge.target.split(".")[0]
        assert source == target or f"e_{source}__{target}" in ids


def test_the_full_chart_has_an_edge_for_every_way() -> None:
    ids = {element.get("id") for element in ET.fromstring(render("svg", "full")).iter()}
    assert "e_SPEAKING__barge_in__INTERRUPT_ducked" in ids
    drawn = {full_edge_id(edge) for edge in conversation_model().edges}
    assert {name for name in ids if name and name.startswith("e_")} <= drawn


def test_the_picture_can_be_taken_into_a_page_and_read_in_the_dark() -> None:
    picture = render("svg", "overview").decode()
    assert picture.startswith("<svg")
    assert "prefers-color-scheme: dark" in picture
    assert "<!--" not in picture
    for colours in PALETTE.values():
        assert colours.line in picture
        assert colours.dark_line in picture


def test_png_is_a_png() -> None:
    assert render("png", "overview").startswith(b"\x89PNG\r\n\x1a\n")


def test_mermaid_names_every_state_and_edge() -> None:
    text = render("mermaid").decode()
    assert text.startswith("stateDiagram-v2")
    assert "SPEAKING --> INTERRUPT_ducked: barge_in [interruptible]" in text
    assert text.count("{") == text.count("}")


def test_the_table_has_a_row_for_every_edge() -> None:
    rows = [line for line in render("table").decode().splitlines() if line.startswith("|")]
    edges = conversation_model().edges
    assert len(rows) >= len(edges)
    assert all(len(re.findall(r"(?<!\\)\|", row)) in (4, 6) for row in rows)


def test_scxml_is_well_formed_and_every_target_exists() -> None:
    root = ET.fromstring(render("scxml"))
    space = "{http://www.w3.org/2005/07/scxml}"
    ids = {element.get("id") for element in root.iter() if element.tag in (f"{space}state", f"{space}final")}
    targets = {element.get("target") for element in root.iter(f"{space}transition")} - {None}
    assert {"SPEAKING", "SPEAKING.streaming"} <= ids
    assert targets <= ids


def test_json_and_xstate_can_be_read_back() -> None:
    model = json.loads(render("json"))
    assert model["states"][0]["path"] == "IDLE"
    machine = json.loads(render("xstate"))
    assert machine["initial"] == "IDLE"
    assert set(machine["states"]["SPEAKING"]["states"]) == {"streaming", "draining"}


def test_the_same_bytes_come_for_any_hash_seed() -> None:
    script = (
        "import hashlib, sys; from diagrams.check import committed_drawings\n"
        "for name, data in sorted(committed_drawings().items()): print(name, hashlib.sha256(data).hexdigest())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, check=True,
            capture_output=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }  # fmt: skip
    assert len(outputs) == 1


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


@pytest.mark.parametrize("kind", FORMATS)
def test_another_chart_is_drawn_too(kind: str) -> None:
    model = extract(Door)
    for level in LEVELS:
        drawing = draw(model, kind, level)
        assert drawing
        if kind != "png":
            assert b"locked" in drawing


def test_what_cannot_be_drawn_is_said_in_words() -> None:
    with pytest.raises(CannotDraw, match="svg"):
        render("gif")
    with pytest.raises(CannotDraw, match="overview"):
        render("svg", "detail")
    with pytest.raises(CannotDraw, match="pure"):
        render("svg", "full", "other")


def test_the_command_writes_files_whole_and_guesses_the_format(tmp_path: Path) -> None:
    runner = CliRunner()
    for name in ("a.svg", "a.dot", "a.mmd", "a.md", "a.json", "a.xstate.json", "a.png", "a.scxml"):
        done = runner.invoke(command, ["render", "--out", str(tmp_path / name)])
        assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "a.xstate.json").read_text())["id"] == "ConversationChart"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert runner.invoke(command, ["render", "--format", "gif"]).exit_code == 2
    assert runner.invoke(command, ["render", "--out", str(tmp_path / "a.gif")]).exit_code == 2
    assert runner.invoke(command, ["render", "--out", str(tmp_path / "missing" / "a.svg")]).exit_code == 1
