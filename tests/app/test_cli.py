"""The command line's frame: help everywhere, exit codes, never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server_process import ROOT


def voicechart(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


COMMANDS = [
    [], ["serve"], ["orchestrator"], ["worker"], ["call"], ["chat"], ["diagram"], ["diagram", "render"],
    ["diagram", "check"], ["bench"], ["bench", "turn"], ["bench", "bus"], ["bench", "chart"], ["scenario"],
    ["sessions"], ["why"], ["replay"], ["freeze"], ["dlq"], ["dlq", "list"], ["dlq", "retry"], ["doctor"], ["config"],
]  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help(words: list[str]) -> None:
    done = voicechart(*words, "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    "words",
    [
        ["sing"],
        ["serve", "--nothing"],
        ["call"],
        ["diagram", "render", "--format", "gif"],
        ["bench", "nothing"],
        ["worker", "--bus", "redis://localhost/0"],
        ["worker", "singer", "--bus", "redis://localhost/0"],
    ],
)
def test_bad_use_is_exit_code_2(words: list[str]) -> None:
    done = voicechart(*words)
    assert done.returncode == 2
    assert done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["orchestrator"], ["worker", "intent", "rag"]], ids=" ".join)
@pytest.mark.parametrize(("bus", "said"), [("", "VOICECHART_BUS"), ("memory://", "one process")])
def test_a_role_in_a_process_of_its_own_wants_a_bus_that_others_reach(words: list[str], bus: str, said: str) -> None:
    done = voicechart(*words, *(["--bus", bus] if bus else []))
    assert done.returncode == 2
    assert said in done.stderr
    assert "redis://" in done.stderr


@pytest.mark.parametrize(
    "url", ["nonsense", "ftp://127.0.0.1:8000", "http://", "http://127.0.0.1:99999", "http://127.0.0.1:many", "//x"]
)
def test_what_is_no_address_of_a_server_is_bad_use(url: str) -> None:
    refuses_the_address("chat", "--url", url)


@pytest.mark.parametrize("words", [["call", "tests/speech/ask_states.wav"], ["bench", "turn"]], ids=" ".join)
def test_every_command_that_takes_an_address_refuses_what_is_none(words: list[str]) -> None:
    refuses_the_address(*words, "--url", "nonsense")


def refuses_the_address(*words: str) -> None:
    done = voicechart(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "http://127.0.0.1:8000" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_usage_names_the_program() -> None:
    assert "Usage: voicechart serve" in voicechart("serve", "--help").stdout


@pytest.mark.parametrize(
    ("variable", "words"),
    [("VOICECHART_PORT", "many"), ("BROKER_TYPE", "kafka"), ("VOICECHART_POLICY", "{"), ("REDIS_URL", "ftp://x")],
)
def test_a_wrong_variable_is_named_and_is_exit_code_2(
    variable: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, words)
    done = voicechart("config", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("voicechart: ")
    assert variable in done.stderr
    assert "Traceback" not in done.stderr


def test_models_are_loaded_by_the_commands_that_need_them_alone() -> None:
    listing = "import sys, app.cli.frame; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", listing], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = {"numpy", "onnxruntime", "faster_whisper", "aiortc", "litestar", "redis", "pydantic", "structlog", "rich"}
    assert not heavy & set(done.stdout.split())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_disk_is_said() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "app", "diagram", "render"], cwd=ROOT, stdout=full, stderr=subprocess.PIPE,
            text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert "No space left" in done.stderr
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
    # More than a pipe holds, to a reader that is gone before the first byte.
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "diagram", "render", "--format", "png"], cwd=ROOT, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) in (0, 1)
