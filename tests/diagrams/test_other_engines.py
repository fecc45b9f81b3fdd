"""The exports run elsewhere: python-statemachine reads the SCXML, XState under Node the JSON; both go where we go."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from diagrams.exports import scxml_text, xstate_text
from diagrams.extract import conversation_model
from diagrams.model import ChartModel, EdgeModel
from statecharts.possibilities import VARIANTS
from tests.diagrams.engines import XSTATE, Micro, follow_scxml, follow_xstate, record

ROOT = Path(__file__).parents[2]
LENGTH = 120


@pytest.fixture(scope="module")
def runs() -> list[list[Micro]]:
    return [record(seed, LENGTH) for seed in range(4 * len(VARIANTS))]


@pytest.fixture(scope="module")
def xstate() -> Path:
    """Where XState is installed; fetched once into the cache folder. In CI it has to be there."""

    def missing(what: str) -> None:
        if os.environ.get("VOICECHART_CI"):
            pytest.fail(f"{what}, and in CI this may not be skipped")
        pytest.skip(f"{what}: XState cannot be asked")

    if shutil.which("node") is None:
        missing("no node on PATH")
    folder = ROOT / ".cache" / f"xstate-{XSTATE}"
    if not (folder / "node_modules" / "xstate").is_dir():
        npm = shutil.which("npm")
        if npm is None:
            missing("no npm on PATH to fetch xstate with")
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [str(npm), "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--prefix", str(folder),
             f"xstate@{XSTATE}"],
            capture_output=True, check=False, timeout=90,
        )  # fmt: skip
        if done.returncode:
            missing(f"npm could not fetch xstate ({done.stderr.decode(errors='replace').strip()[-200:]})")
    return folder


def test_the_runs_go_everywhere_and_ask_every_kind_of_question(runs: list[list[Micro]]) -> None:
    assert {micro.after for run in runs for micro in run} == {leaf.path for leaf in conversation_model().leaves}
    asked = {name for run in runs for micro in run for name in micro.held}
    assert len(asked) > 0.8 * len(conversation_model().guards)
    assert sum(map(len, runs)) > 1000


def test_python_statemachine_goes_where_we_go(runs: list[list[Micro]]) -> None:
    model = conversation_model()
    document, guards = scxml_text(model), list(model.guards)
    for number, run in enumerate(runs[:9]):
        assert follow_scxml(document, run, guards) == [micro.after for micro in run], f"run {number}"


def test_xstate_goes_where_we_go(runs: list[list[Micro]], xstate: Path) -> None:
    found = follow_xstate(xstate_text(conversation_model()), runs, xstate)
    for number, (states, run) in enumerate(zip(found, runs, strict=True)):
        assert states == [micro.after for micro in run], f"run {number}"


def _swapped(model: ChartModel) -> ChartModel:
    """Return a chart in which two edges of INTERRUPT are tried in the wrong order."""
    edges = list(model.edges)
    first, second = (
        next(number for number, edge in enumerate(edges) if edge.trigger == "resumed" and edge.target == target)
        for target in ("SPEAKING.draining", "SPEAKING.streaming")
    )
    edges[first], edges[second] = edges[second], edges[first]
    return msgspec.structs.replace(model, edges=edges)


def _affirmed(model: ChartModel) -> ChartModel:
    """Return a chart in which what must not hold has to."""

    def affirmed(edge: EdgeModel) -> EdgeModel:
        return msgspec.structs.replace(edge, guards=[guard.removeprefix("not ") for guard in edge.guards])

    return msgspec.structs.replace(model, edges=[affirmed(edge) for edge in model.edges])


def _agrees(states: Sequence[str], run: Sequence[Micro]) -> bool:
    return list(states) == [micro.after for micro in run]


@pytest.mark.parametrize("broken", [_swapped, _affirmed])
def test_a_wrong_export_is_noticed(runs: list[list[Micro]], broken: Callable[[ChartModel], ChartModel]) -> None:
    model = broken(conversation_model())
    document, guards = scxml_text(model), list(model.guards)
    noticed = False
    for run in runs:
        try:
            noticed = noticed or not _agrees(follow_scxml(document, run, guards), run)
        except AssertionError:
            noticed = True
    assert noticed


def test_scxml_is_well_formed_and_every_target_exists() -> None:
    root = ET.fromstring(scxml_text(conversation_model()))
    space = "{http://www.w3.org/2005/07/scxml}"
    ids = {element.get("id") for element in root.iter(f"{space}state")}
    targets = {element.get("target") for element in root.iter(f"{space}transition")} - {None}
    assert {"SPEAKING", "SPEAKING.streaming"} <= ids
    assert targets <= ids
