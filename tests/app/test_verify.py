"""`voicechart verify` on the command line: what it prints, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.verification.hunting import hunt
from statecharts.possibilities import VARIANTS

GOOD = '''
from typing import Any
from statemachine import State, StateChart
from statecharts.proving import always


class Lamp(StateChart[Any]):
    off = State(initial=True)
    on = State()
    press = off.to(on) | on.to(off)


@always
def has_one_light(step):
    """The lamp is on or off."""
    return step.after.state in ("on", "off")
'''
BAD = '''
from statecharts.proving import always


@always
def is_never_on(step):
    """The lamp never burns."""
    return step.after.state != "on"


@always
def raises(step):
    """Nothing raises."""
    raise KeyError("lamp")
'''


def _verify(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", "verify", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lamp.py").write_text(GOOD)
    (tmp_path / "lamp_properties.py").write_text(BAD)
    (tmp_path / "broken.py").write_text("import no_such_thing\n")
    return tmp_path


def test_a_sound_chart_of_ones_own_passes_and_is_counted(folder: Path) -> None:
    done = _verify(folder, "--chart", "lamp:Lamp", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert (report["situations"], report["edges"], report["edges_taken"], report["states"]) == (2, 2, 2, 2)
    assert {claim["name"]: claim["holds"] for claim in report["properties"]}["has_one_light"]
    assert report["walks"] > 50


def test_a_broken_property_prints_its_sentence_and_the_shortest_run(folder: Path) -> None:
    done = _verify(folder, "--chart", "lamp:Lamp", "--properties", "lamp_properties", "--picture", "way.svg")
    assert done.returncode == 1
    assert "The lamp never burns." in (folder / "way.svg").read_text()
    assert "BROKEN: The lamp never burns." in done.stdout
    assert "The shortest way there, 1 event:" in done.stdout
    assert "raises KeyError" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--chart", "lamp"), "package.module:Class"),
        (("--chart", "lamp:Candle"), "lamp has Lamp"),
        (("--chart", "nowhere:Lamp"), "nowhere cannot be imported: ModuleNotFoundError"),
        (("--chart", "broken:Lamp"), "broken cannot be imported"),
        (("--chart", "lamp:Lamp", "--properties", "nothing"), "nothing cannot be imported"),
        (("--properties", "lamp"), "--properties goes with --chart"),
        (("--mutants", "--chart", "lamp:Lamp"), "--mutants breaks the conversation"),
        (("--only", "x"), "--only goes with --mutants"),
    ],
)
def test_bad_use_says_what_to_do(folder: Path, arguments: tuple[str, ...], told: str) -> None:
    done = _verify(folder, *arguments)
    assert done.returncode == 2
    assert told in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("only", "fate"),
    [("LISTENING.quiet → IDLE.away: away, but", "killed"), ("events of any turn are heeded", "killed")],
)
def test_a_broken_conversation_is_noticed(only: str, fate: str) -> None:
    hunted = hunt(only=only, variants=VARIANTS[:1])
    assert [prey.fate for prey in hunted.mutants] == [fate]
