"""Logs of calls at a real server: listed, explained, replayed and frozen from the outside."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.end_to_end.client import call_server
from tests.server_process import ROOT, ServerProcess
from tests.speech import FOLDER


def voicechart(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", *words], cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def session(live_server: str) -> str:
    """A session in which one question was typed and answered."""
    return asyncio.run(_talk(live_server))


async def _talk(server: str) -> str:
    async with call_server(server) as client:
        await client.type("what can you do")
        await client.state("SPEAKING")
        await client.state("LISTENING")
        await client.say(type="hangup")
        await client.closed()
        return client.session_id


def test_a_session_is_listed_with_where_it_stands(live_server: str, session: str) -> None:
    done = voicechart("sessions", "--url", live_server, "--json")
    (row,) = (row for row in json.loads(done.stdout) if row["session_id"] == session)
    assert (row["state"], row["substate"], row["turns"]) == ("IDLE", "ended", 1)
    assert row["last_event"] == "voice.session.ended"
    assert row["started_at"] < row["last_event_at"]
    assert session in voicechart("sessions", "--url", live_server).stdout


def test_a_session_is_replayed_byte_for_byte(live_server: str, session: str) -> None:
    done = voicechart("replay", session, "--url", live_server)
    assert (done.returncode, "the same" in done.stdout) == (0, True)
    found = json.loads(voicechart("replay", session, "--url", live_server, "--json").stdout)
    assert found["same"]
    assert found["compared"] == found["facts"] > 5


def test_a_silence_is_explained_at_any_moment(live_server: str, session: str) -> None:
    over = voicechart("why", session, "--url", live_server)
    assert over.returncode == 0
    assert "Hung up" in over.stdout
    early = json.loads(voicechart("why", session, "--at", "0.05", "--url", live_server, "--json").stdout)
    assert early["at_s"] == 0.05
    late = voicechart("why", session, "--at", str(early["started_at"] - 10), "--url", live_server)
    assert late.returncode == 2
    assert "nothing had happened yet" in late.stderr


def test_a_session_is_frozen_and_the_file_replays(live_server: str, session: str, tmp_path: Path) -> None:
    path = tmp_path / "call.jsonl"
    done = voicechart("freeze", session, "--url", live_server, "--out", str(path), "--title", "A typed question.")
    assert done.returncode == 0, done.stderr
    assert json.loads(path.read_text().splitlines()[0])["title"] == "A typed question."
    assert voicechart("replay", str(path), str(tmp_path)).returncode == 0
    before = path.read_bytes()
    again = voicechart("freeze", "--again", str(path))
    assert "nothing changes" in again.stdout
    assert path.read_bytes() == before


def test_a_spoken_call_is_frozen_to_a_scenario_which_then_passes(live_server: str, tmp_path: Path) -> None:
    for _ in range(3):  # a scenario stutters never, a busy machine now and then
        told = json.loads(voicechart("call", str(FOLDER / "ask_states.wav"), "--url", live_server, "--json").stdout)
        if not told["gaps_s"]:
            break
    path = tmp_path / "call.toml"
    done = voicechart("freeze", told["session_id"], "--scenario", "--url", live_server, "--out", str(path))
    assert done.returncode == 0, done.stderr
    assert "it shows what the call showed" in done.stderr
    run = voicechart("scenario", str(path), "--json")
    assert run.returncode == 0, run.stdout
    seen = json.loads(run.stdout)
    assert [name for _, name in seen["states"]] == ["LISTENING", "THINKING", "SPEAKING", "LISTENING", "IDLE"]
    assert "hangs_up = true" in path.read_text()


def test_a_call_that_no_scenario_can_tell_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "call.toml"
    done = voicechart("freeze", "tests/recordings/reconnect.jsonl", "--scenario", "--out", str(path))
    assert done.returncode == 2
    assert "the client was lost, for which the format has no words" in " ".join(done.stderr.split())
    assert not path.exists()


def test_a_changed_policy_shows_what_would_have_differed(live_server: str, session: str) -> None:
    done = voicechart("replay", session, "--policy", "answer_deadline_s=0.001", "--url", live_server, "--json")
    found = json.loads(done.stdout)
    assert found["changed"] == {"answer_deadline_s": 0.001}
    assert found["departs_because"] == "timer answer_deadline fires now, and did not then"
    several = voicechart("replay", session, session, "--policy", "away_s=61", "--url", live_server)
    assert several.stdout.count("never") == 2


def test_a_session_that_is_not_there_and_a_server_that_is_not_there_are_said(live_server: str) -> None:
    nobody = str(uuid.uuid4())
    done = voicechart("why", nobody, "--url", live_server)
    assert (done.returncode, f"there is no session {nobody}" in done.stderr) == (1, True)
    done = voicechart("replay", nobody, "--url", "http://127.0.0.1:9")
    assert (done.returncode, "cannot reach a voice server" in done.stderr) == (1, True)
    assert "Start it with ./run serve" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["replay", "no such file"], 2, "neither a file nor a session's id"),
        (["replay", "README.md"], 2, "README.md, line 1 cannot be read"),
        (["replay", "docs"], 2, "no *.jsonl in the folder"),
        (["replay", "tests/recordings", "--policy", "patience=1"], 2, "there is no 'patience'; there are settle_s"),
        (["why", "tests/recordings"], 2, "name one of its files"),
        (["freeze"], 2, "name one session"),
        (["freeze", "--again", "nothing.jsonl"], 2, "nothing.jsonl is none"),
        (["freeze", "--again", "--out", "x"], 2, "leave --out out"),
        (["freeze", "--again", "--scenario"], 2, "a scenario is written once"),
        (["freeze", "--scenario"], 2, "name one session"),
        (["freeze", "tests/recordings", "--scenario"], 2, "name one of its files"),
        (["sessions", "--url", "http://x", "--bus", "redis://x"], 2, "--url and --bus name two places"),
        (["sessions", "--bus", "redis://127.0.0.1:9"], 1, "cannot reach Redis at redis://127.0.0.1:9"),
        (["sessions", "--bus", "memory://"], 1, "pass --url"),
        (["sessions", "--bus", "ftp://x"], 2, "a bus is redis://host:port/db"),
    ],
)  # fmt: skip
def test_bad_use_is_said_in_a_sentence(words: list[str], code: int, said: str) -> None:
    done = voicechart(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_without_a_server_and_without_a_log_both_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICECHART_PORT", "9")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    done = voicechart("sessions", cwd=tmp_path)
    assert done.returncode == 1
    assert "no voice server answers at http://127.0.0.1:9, and there is no log in .voicechart" in done.stderr
    assert list(tmp_path.iterdir()) == []
    done = voicechart("sessions", "--data", str(tmp_path), cwd=tmp_path)
    assert (done.returncode, f"there is no log in {tmp_path}" in done.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    recording = ROOT / "tests/recordings/plain_turn.jsonl"
    done = voicechart("freeze", str(recording), "--out", str(tmp_path / "nowhere" / "call.jsonl"))
    assert done.returncode == 1
    assert "cannot write" in done.stderr
    assert list(tmp_path.iterdir()) == []
    done = voicechart("freeze", str(recording), "--out", str(tmp_path / "call.jsonl"))
    assert done.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["call.jsonl"]


async def test_the_log_in_a_data_folder_is_read_while_its_server_runs_and_afterwards(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path)
    try:
        async with call_server(server.wait_ready().url) as client:
            await client.type("hello")
            await client.state("THINKING")
        running = voicechart("replay", client.session_id, "--data", str(tmp_path / "data"))
        assert (running.returncode, "the same" in running.stdout) == (0, True), running.stderr
        address = (tmp_path / "data" / "valkey" / "address").read_text()
        by_bus = voicechart("why", client.session_id, "--bus", f"unix://{address}", "--json")
        assert json.loads(by_bus.stdout)["session_id"] == client.session_id
    finally:
        server.stop()
    afterwards = voicechart("replay", client.session_id, "--data", str(tmp_path / "data"))
    assert (afterwards.returncode, "the same" in afterwards.stdout) == (0, True), afterwards.stderr
    lines = voicechart("sessions", "--data", str(tmp_path / "data"), "--json").stdout
    assert json.loads(lines)[0]["session_id"] == client.session_id
