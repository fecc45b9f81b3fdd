"""`diagram render`, `check` and charts of other domains, from the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli.diagram import command
from diagrams.load import BadChart, model_of
from diagrams.render import draw
from examples import door_lock_properties
from examples.door_lock import DoorLock
from statecharts.proving import properties_of

ROOT = Path(__file__).parents[2]
DOOR_LOCK = "examples.door_lock:DoorLock"


def test_the_command_writes_files_whole_and_guesses_the_format(tmp_path: Path) -> None:
    runner = CliRunner()
    for name in ("a.svg", "a.dot", "a.mmd", "a.md", "a.json", "a.xstate.json", "a.png", "a.scxml"):
        done = runner.invoke(command, ["render", "--out", str(tmp_path / name)])
        assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "a.xstate.json").read_text())["id"] == "ConversationChart"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_file_that_is_there_is_kept_if_the_drawing_fails(tmp_path: Path) -> None:
    kept = tmp_path / "a.svg"
    kept.write_text("mine")
    done = CliRunner().invoke(command, ["render", "--chart", "nowhere:Chart", "--out", str(kept)])
    assert done.exit_code == 2
    assert kept.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["a.svg"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "gif"], "'mermaid'"),
        (["--level", "detail"], "'overview', 'full'"),
        (["--out", "a.gif"], ".svg, .png, .dot, .mmd, .md, .scxml, .xstate.json, .json"),
        (["--chart", "nowhere"], "package.module:Class"),
        (["--chart", "nowhere.at_all:Chart"], "No module named 'nowhere'"),
        (["--chart", "examples.door_lock:Door"], "Door is not there; examples.door_lock has DoorLock"),
        (["--chart", "examples.door_lock:Bolt"], "no StateChart"),
        (["--chart", "json:JSONDecoder"], "no StateChart"),
        (["--all", "--chart", DOOR_LOCK], "--all"),
    ],
)
def test_bad_use_says_what_there_is(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(command, ["render", *arguments])
    assert done.exit_code == 2
    assert said in " ".join(word for word in done.output.split() if word != "│")


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = CliRunner().invoke(command, ["render", "--out", str(tmp_path / "missing" / "a.svg")])
    assert done.exit_code == 1
    assert "cannot write" in done.output


THEIRS = '''
from statemachine import HistoryState, State, StateChart

class Plain(StateChart):
    """Somebody's own."""
    shut = State(initial=True)
    open = State()
    push = shut.to(open, cond="strong", on="creak")
    pull = open.to(shut)
    def strong(self): return True
    def creak(self): "Make a noise."

class Both(StateChart):
    class work(State.Parallel):
        class left(State.Compound):
            a = State(initial=True)
            b = State()
            go = a.to(b) | b.to(a)
        class right(State.Compound):
            c = State(initial=True)
            d = State()
            on_ = c.to(d) | d.to(c)

class Past(StateChart):
    class work(State.Compound):
        a = State(initial=True)
        b = State()
        again = HistoryState()
        go = a.to(b)
    rest = State(initial=True)
    begin = rest.to(work)
    back = rest.to(work.again)
    stop = work.to(rest)

class Over(StateChart):
    class work(State.Compound):
        a = State(initial=True)
        b = State(final=True)
        go = a.to(b)
    rest = State(initial=True)
    begin = rest.to(work)
    stop = work.to(rest)

class Ending(StateChart):
    a = State(initial=True)
    b = State("all is done", final=True)
    go = a.to(b)

class Unasked(StateChart):
    a = State(initial=True)
    b = State()
    a.to(b, cond="ready")
    go = b.to(a)
    def ready(self): return False
'''


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module in the folder one stands in."""
    name = f"their_charts_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(THEIRS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return name


def test_a_chart_below_the_folder_one_stands_in_is_found(theirs: str) -> None:
    model = model_of(f"{theirs}:Plain")
    assert model.meaning == "Somebody's own."
    assert model.actions["creak"].meaning == "Make a noise."
    assert [str(edge) for edge in model.edges] == ["shut → open: push [strong]", "open → shut: pull"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Both", "work is parallel"),
        ("Past", "work has a history"),
        ("Over", "b is an end inside of it"),
        ("Unasked", "an edge of a has no event"),
    ],
)
def test_what_a_drawing_cannot_hold_is_said(theirs: str, name: str, said: str) -> None:
    with pytest.raises(BadChart, match=said):
        model_of(f"{theirs}:{name}")


def test_an_end_is_drawn_as_one(theirs: str) -> None:
    model = model_of(f"{theirs}:Ending")
    assert [state.path for state in model.ends] == ["b"]
    assert b"    b --> [*]\n" in draw(model, "mermaid")
    assert b'<final id="b"' in draw(model, "scxml")
    assert b'"type": "final"' in draw(model, "xstate")
    assert b"all is done" in draw(model, "svg")


def test_a_module_that_fails_is_said_with_its_error(theirs: str, tmp_path: Path) -> None:
    (tmp_path / f"{theirs}_broken.py").write_text("1 / 0")
    with pytest.raises(BadChart, match="ZeroDivisionError"):
        model_of(f"{theirs}_broken:Chart")


def test_the_example_can_be_verified(verify_chart: Callable[..., None]) -> None:
    verify_chart(DoorLock, *properties_of(vars(door_lock_properties)), walks=20)


def test_the_example_imports_nothing_of_ours() -> None:
    script = (
        "import sys, examples.door_lock\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('app', 'adapters', 'diagrams', 'statecharts')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


def test_the_example_says_all_that_a_drawing_can_show() -> None:
    model = model_of(DOOR_LOCK)
    assert all(leaf.deadlines for leaf in model.leaves if leaf.path in DoorLock.DEADLINES)
    assert set(model.timers) == set(DoorLock.TIMERS)
    assert all(meaning for meaning in model.guards.values())
    assert "Siren on" in model.actions["on_enter_ALARM"].effects
    refused = next(edge for edge in model.edges if edge.target == "LOCKED.blocked")
    assert refused.effects == ["Lamp red"]
