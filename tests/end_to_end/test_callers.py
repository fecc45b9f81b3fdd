"""One recorded question, spoken to the real server by the program's own caller, over each transport."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import wave
from pathlib import Path

import httpx
import pytest

from statecharts.policy import Policy
from tests.server_process import ROOT
from tests.speech import FOLDER


def voicechart(*words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        input=text,
        check=False,
    )


@pytest.mark.parametrize("transport", ["ws", "webrtc"])
def test_a_recorded_question_is_answered(live_server: str, transport: str, tmp_path: Path) -> None:
    heard = tmp_path / "heard.wav"
    done = voicechart(
        "call", str(FOLDER / "ask_states.wav"), "--url", live_server, "--transport", transport, "--json",
        "--save", str(heard),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["transcript"].lower().strip(" ?.") == "what are your states"
    assert "listening" in told["answer"]
    assert told["transport"] == transport
    states = [name for _, name in told["states"]]
    assert [state for state in states if state in ("THINKING", "SPEAKING")] == ["THINKING", "SPEAKING"]
    assert told["heard_s"] > 2.0
    assert told["heard_s"] == pytest.approx(told["audio_s"], abs=0.3)
    with wave.open(str(heard)) as file:
        assert file.getnframes() / file.getframerate() > 2.0
    turns = httpx.get(f"{live_server}/sessions/{told['session_id']}/turns").json()
    assert turns[0]["user_text"] == told["transcript"]
    assert turns[0]["heard_text"] == turns[0]["answer_text"]
    assert not turns[0]["interrupted"]
    stages = turns[0]["stages"]
    assert set(stages) == {"end_of_turn", "final_text", "intent", "first_answer", "first_audio", "playback_started"}
    assert Policy().end_of_turn_min_s <= stages["end_of_turn"] <= stages["first_audio"] <= stages["playback_started"]


async def test_two_callers_at_once_get_their_own_answers(live_server: str) -> None:
    clips = {"ask_states.wav": "listening", "ask_interrupt.wav": "speak"}
    runs = await asyncio.gather(
        *(asyncio.to_thread(voicechart, "call", str(FOLDER / clip), "--url", live_server, "--json") for clip in clips)
    )
    for run, word in zip(runs, clips.values(), strict=True):
        assert word in json.loads(run.stdout)["answer"]


def test_a_caller_without_a_server_is_told_what_to_do() -> None:
    done = voicechart("call", str(FOLDER / "ask_states.wav"), "--url", "http://127.0.0.1:1")
    assert done.returncode == 1
    assert "./run serve" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_no_recording_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "words.wav"
    text.write_text("these are no samples")
    for path in (text, tmp_path / "missing.wav"):
        done = voicechart("call", str(path))
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


def test_one_can_chat_through_a_pipe(live_server: str) -> None:
    done = voicechart("chat", "--url", live_server, text="what are your states\nsay that again\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("listening") == 2


def test_a_running_server_is_no_fault_of_the_installation(live_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICECHART_PORT", live_server.rpartition(":")[2])
    done = voicechart("doctor", "--json")
    assert done.returncode == 0
    (port,) = (finding for finding in json.loads(done.stdout) if finding["name"] == "port")
    assert "a voicechart server runs" in port["found"]


def test_a_port_that_somebody_else_has_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("VOICECHART_PORT", str(taken.getsockname()[1]))
        done = voicechart("doctor", "--json")
    assert done.returncode == 1
    (port,) = (finding for finding in json.loads(done.stdout) if finding["name"] == "port")
    assert not port["ok"]
