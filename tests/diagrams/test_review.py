"""What a change does to a chart: found, told as a table, drawn; read from git revisions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from msgspec import Struct

from diagrams.difference import Change, Difference, compare
from diagrams.extract import conversation_model
from diagrams.layout import lay_out
from diagrams.model import ActionModel, ChartModel, EdgeModel, StateModel
from diagrams.palette import TINTS
from diagrams.render import draw
from statecharts.properties import PROPERTIES
from tests.diagrams.charts import blemishes

ROOT = Path(__file__).parents[2]


class Claim(Struct):
    """A property, as far as a comparison needs one."""

    name: str
    sentence: str
    concerns: tuple[str, ...]


BEFORE = ChartModel(
    name="Lamp",
    states=[
        StateModel(path="off", name="off", meaning="dark", initial=True, deadlines=["dusk"]),
        StateModel(path="on", name="on", meaning="bright"),
        StateModel(path="broken", name="broken", meaning="for good"),
    ],
    edges=[
        EdgeModel(trigger="press", events=["press"], source="off", target="on", guards=["powered"], actions=["shine"]),
        EdgeModel(trigger="press", events=["press"], source="off", target="broken"),
        EdgeModel(trigger="press", events=["press"], source="on", target="off"),
        EdgeModel(trigger="fall", events=["fall"], source="on", target="broken"),
    ],
    timers={"dusk": 60.0},
    actions={"shine": ActionModel(effects=["Light on"])},
)


def _changed(**fields: object) -> ChartModel:
    return msgspec.structs.replace(BEFORE, **fields)


def _compare(after: ChartModel, claims: Sequence[Claim] = ()) -> Difference:
    return compare(BEFORE, after, before="main", after="mine", claims=claims)


def _told(changes: Sequence[Change]) -> list[tuple[str, str, str]]:
    return [(change.kind, change.what, change.name) for change in changes]


def test_the_same_chart_has_no_changes() -> None:
    found = _compare(BEFORE)
    assert found.changes == []
    assert "The chart is the same" in found.table()


def test_edges_that_come_go_and_change_are_told_apart() -> None:
    edges = list(BEFORE.edges)
    edges[0] = msgspec.structs.replace(edges[0], guards=["powered", "not locked"])
    edges[2] = msgspec.structs.replace(edges[2], target="broken")
    edges[3] = EdgeModel(trigger="blow", events=["blow"], source="on", target="off")
    found = _compare(_changed(edges=edges))
    assert _told(found.changes) == [
        ("changed", "edge", "off → on: press [powered and not locked]"),
        ("changed", "edge", "on → broken: press"),
        ("added", "edge", "on → off: blow"),
        ("removed", "edge", "on → broken: fall"),
    ]
    assert found.changes[0].details == ["guards: + not locked"]
    assert found.changes[1].details == ["target: off → broken"]


def test_an_edge_that_is_tried_earlier_now_is_a_change() -> None:
    edges = [BEFORE.edges[1], BEFORE.edges[0], *BEFORE.edges[2:]]
    found = _compare(_changed(edges=edges))
    assert _told(found.changes) == [("changed", "edge", "off → broken: press")]
    assert found.changes[0].details == ["now tried before: off → on: press [powered]"]


def test_states_timers_and_actions_change_too() -> None:
    states = [
        msgspec.structs.replace(BEFORE.states[0], meaning="not lit"),
        BEFORE.states[1],
        StateModel(path="dim", name="dim", meaning="half"),
    ]
    edges = [edge for edge in BEFORE.edges if edge.target != "broken"]
    after = _changed(
        states=states, edges=edges, timers={"dusk": 30.0}, actions={"shine": ActionModel(effects=["Light on", "Beep"])}
    )
    assert _told(_compare(after).changes) == [
        ("changed", "state", "off"),
        ("added", "state", "dim"),
        ("removed", "state", "broken"),
        ("changed", "timer", "dusk"),
        ("changed", "action", "shine"),
        ("removed", "edge", "off → broken: press"),
        ("removed", "edge", "on → broken: fall"),
    ]
    assert [change.details for change in _compare(after).changes][3:5] == [["seconds: 60 → 30"], ["asks for: + Beep"]]


def test_the_properties_a_change_has_to_do_with_are_named() -> None:
    edges = [msgspec.structs.replace(BEFORE.edges[0], guards=[]), *BEFORE.edges[1:]]
    claims = [
        Claim("power", "Nothing shines without power.", ("power*",)),
        Claim("glass", "What is broken stays broken.", ("broken",)),
        Claim("all", "It never burns.", ()),
    ]
    found = _compare(_changed(edges=edges), claims)
    assert [(touched.name, touched.by) for touched in found.properties] == [("power", ["powered"]), ("all", [])]
    assert "- Nothing shines without power. `power` (powered)" in found.table()
    assert _compare(BEFORE, claims).properties == []


def test_the_properties_of_the_conversation_say_what_they_concern() -> None:
    model = conversation_model()
    names = {state.path for state in model.all_states} | set(model.guards) | set(model.actions) | set(model.timers)
    names |= {event for edge in model.edges for event in edge.events}
    removed = msgspec.structs.replace(model, edges=[edge for edge in model.edges if edge.trigger != "barge_in"])
    found = compare(model, removed, before="a", after="b", claims=PROPERTIES)
    assert len(found.properties) >= 3
    assert {name for touched in found.properties for name in touched.by} <= names


def test_the_table_is_one_table_whatever_the_names() -> None:
    edges = [*BEFORE.edges, EdgeModel(trigger="a|b", events=["a|b"], source="on", target="off")]
    rows = [line for line in _compare(_changed(edges=edges)).table().splitlines() if line.startswith("|")]
    assert "a\\|b" in rows[-1]


def test_what_came_is_green_what_went_is_red_what_changed_is_amber() -> None:
    edges = [
        msgspec.structs.replace(BEFORE.edges[0], guards=[]),
        *BEFORE.edges[1:3],
        EdgeModel(trigger="blow", events=["blow"], source="on", target="off"),
    ]
    states = [*BEFORE.states[:2], StateModel(path="dim", name="dim", meaning="half")]
    found = _compare(_changed(edges=edges, states=states))
    picture = draw(found.union, "svg", overlay=found.overlay()).decode()
    root = ET.fromstring(picture)
    space = "{http://www.w3.org/2000/svg}"
    strokes = {
        element.get("id"): path.get("stroke")
        for element in root.iter(f"{space}g")
        for path in list(element.iter(f"{space}path"))[:1]
    }
    assert strokes["e_off__press__on"] == TINTS["changed"].light
    assert strokes["e_on__fall__broken"] == TINTS["removed"].light
    assert strokes["e_off__press__broken"] == TINTS["faded"].light
    assert strokes["s_dim"] == TINTS["added"].light
    assert strokes["s_broken"] == TINTS["removed"].light
    assert "stroke-dasharray" in picture
    assert list(blemishes(lay_out(found.union, found.overlay()))) == []


LIGHT = """
from statemachine import State, StateChart

class Lamp(StateChart):
    off = State(initial=True)
    on = State()
    press = off.to(on, cond="powered") | on.to(off)
    def powered(self): return True
"""


SAYINGS = """
from statecharts.proving import always

@always(concerns=("power*",))
def burns_with_power(step):
    'It burns only with power.'
    return True
"""


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments],
        check=True, capture_output=True,
    )  # fmt: skip


def _run(folder: Path, *arguments: str, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONSAFEPATH": "1"}
    return subprocess.run(
        [sys.executable, "-m", "app", "diagram", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of somebody's own, with a chart in a folder of it that has two revisions and a change on top."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    folder = tmp_path / "theirs" / "lights"
    folder.mkdir(parents=True)
    _git(tmp_path, "init", "-q", "theirs")
    for text in (LIGHT, LIGHT + "    fall = on.to(off)\n"):
        (folder / "lamps.py").write_text(text)
        _git(folder, "add", ".")
        _git(folder, "commit", "-qm", "a change")
    (folder / "lamps.py").write_text(LIGHT.replace("powered", "plugged"))
    return folder


def test_revisions_of_a_chart_of_ones_own_are_compared(repository: Path) -> None:
    done = _run(repository, "diff", "HEAD~1", "HEAD", "--chart", "lamps:Lamp")
    assert done.returncode == 0, done.stderr
    assert "🟢 added | edge | `on → off: fall`" in done.stdout
    done = _run(repository, "diff", "HEAD", "--chart", "lamps:Lamp", "--format", "json", "--exit-code")
    assert done.returncode == 1
    kinds = [(change["kind"], change["name"]) for change in json.loads(done.stdout)["changes"]]
    assert kinds == [("changed", "off → on: press [plugged]"), ("removed", "on → off: fall")]
    (repository / "sayings.py").write_text(SAYINGS)
    done = _run(repository, "diff", "HEAD", "--chart", "lamps:Lamp", "--properties", "sayings")
    assert "- It burns only with power. `burns_with_power` (powered" in done.stdout
    done = _run(repository, "diff", "HEAD", "HEAD", "--chart", "lamps:Lamp", "--exit-code", "--out", "same.md")
    assert done.returncode == 0
    assert "The chart is the same" in (repository / "same.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("diff", "nowhere", "--chart", "lamps:Lamp"), "no revision 'nowhere'"),
        (("diff", "--", "--output=x", "--chart"), "no revision"),
        (("diff", "HEAD", "--chart", "lamps:Torch"), "Torch is not there"),
        (("diff", "HEAD", "--chart", "lamps:Lamp", "--out", "change.gif"), "says nothing about its format"),
        (("diff", "HEAD", "--chart", "lamps:Lamp", "--format", "mermaid"), "svg"),
        (("diff", "a", "b", "c"), "one or two revisions"),
        (("diff",), "REV"),
    ],
)
def test_what_cannot_be_compared_is_bad_use(repository: Path, arguments: Sequence[str], said: str) -> None:
    done = _run(repository, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""
    assert [path.name for path in repository.iterdir() if path.suffix not in (".py", "")] == []


def test_a_revision_without_the_chart_says_so(repository: Path) -> None:
    (repository / "lamps.py").write_text("raise RuntimeError('not today')")
    _git(repository, "commit", "-qam", "a broken one")
    done = _run(repository, "diff", "HEAD", "HEAD~1", "--chart", "lamps:Lamp")
    assert done.returncode == 2
    assert "not today" in done.stderr
    done = _run(repository.parent.parent, "diff", "HEAD", "--chart", "lamps:Lamp")
    assert done.returncode == 2
    assert "no git repository" in done.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """This program in a repository of its own, where its chart may be changed."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    folder = tmp_path / "checkout"
    for name in ("app", "adapters", "statecharts", "diagrams"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    _git(tmp_path, "init", "-q", "checkout")
    _git(folder, "add", ".")
    _git(folder, "commit", "-qm", "as it is")
    return folder


def test_a_change_of_the_conversation_is_reviewed_from_its_files(checkout: Path, tmp_path: Path) -> None:
    chart = checkout / "statecharts" / "conversation.py"
    text = chart.read_text()
    changed = text.replace('    stt_failed = LISTENING.settling.to(LISTENING.quiet, on="ask_again")\n', "", 1)
    changed = changed.replace("    away = LISTENING.quiet.to(IDLE.away", "    away = LISTENING.hearing.to(IDLE.away", 1)
    assert changed.count("\n") == text.count("\n") - 1
    chart.write_text(changed)
    done = _run(tmp_path, "diff", "HEAD", "--exit-code", root=checkout)
    assert done.returncode == 1, done.stderr
    assert "🔴 removed | edge | `LISTENING.settling → LISTENING.quiet: stt_failed`" in done.stdout
    assert "source: LISTENING.quiet → LISTENING.hearing" in done.stdout
    assert "Properties that have to do with it" in done.stdout
    done = _run(tmp_path, "diff", "HEAD", "--out", str(tmp_path / "change.svg"), root=checkout)
    assert done.returncode == 0, done.stderr
    assert TINTS["removed"].light in (tmp_path / "change.svg").read_text()
    done = _run(tmp_path, "check", root=checkout)
    assert done.returncode == 1
    assert "-| LISTENING.settling | `stt_failed`" in done.stderr
