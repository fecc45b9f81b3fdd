"""The command line's frame: help everywhere, exit codes, never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.server_process import ROOT


def voicechart(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


COMMANDS = [
    [], ["serve"], ["call"], ["chat"], ["diagram"], ["diagram", "render"], ["diagram", "check"], ["bench"],
    ["bench", "turn"], ["bench", "bus"], ["doctor"], ["config"],
]  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help(words: list[str]) -> None:
    done = voicechart(*words, "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    "words",
    [["sing"], ["serve", "--nothing"], ["call"], ["diagram", "render", "--format", "gif"], ["bench", "nothing"]],
)
def test_bad_use_is_exit_code_2(words: list[str]) -> None:
    done = voicechart(*words)
    assert done.returncode == 2
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_config_is_json_and_nothing_else() -> None:
    done = voicechart("config", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["port"]["value"] == 8000


def test_doctor_finds_all_that_is_needed() -> None:
    done = voicechart("doctor", "--json")
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)}
    for name in ("Python", "voice detector", "recogniser", "voice piper", "voice espeak", "event log", "knowledge"):
        assert findings[name]["ok"], findings[name]


def test_a_reader_that_has_enough_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m app diagram render --format json | head -c 10", shell=True, cwd=ROOT, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
