"""`serve --processes`: several processes behind one socket, watched by one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from tests.end_to_end.client import call_server, payload
from tests.processes import all_gone, children
from tests.server_process import ServerProcess

WITHIN_S = 60.0
COUNT = 2

pytestmark = pytest.mark.real


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    made = ServerProcess(tmp_path, "--voice", "espeak", "--processes", str(COUNT)).wait_ready()
    until_told(made, "is ready after", COUNT)
    yield made
    if made.process.poll() is None:
        made.stop(signal.SIGKILL)


def until_told(server: ServerProcess, words: str, times: int) -> str:
    deadline = time.monotonic() + WITHIN_S
    while (log := server.log.read_text()).count(words) < times:
        assert time.monotonic() < deadline, log
        assert server.process.poll() is None, log
        time.sleep(0.02)
    return log


def events(server: ServerProcess, name: str) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == name]


async def test_any_of_them_is_killed_and_calls_go_on(server: ServerProcess) -> None:
    first = [int(str(line["pid"])) for line in events(server, "process_started")]
    assert len(first) == COUNT
    for victim in first:
        os.kill(victim, signal.SIGKILL)
        until_told(server, "is ready after", COUNT + 1 + first.index(victim))
        async with call_server(server.url) as client:
            await client.type("what are your states")
            assert "listening" in str(payload(await client.next_type("answer"))["text"])
    ended = events(server, "process_ended")
    assert [(line["by"], line["restarting_in_s"]) for line in ended] == [("signal 9", 0.1)] * COUNT
    assert (await asyncio.to_thread(httpx.get, f"{server.url}/health/ready")).status_code == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_them_all_in_order(server: ServerProcess, number: signal.Signals) -> None:
    below = children(server.process.pid)
    assert server.stop(number) == 0
    assert all_gone(below, 3.0)
    log = server.log.read_text()
    assert log.count("goodbye") == 1
    assert [line["by"] for line in events(server, "process_ended")] == ["exit code 0"] * COUNT
    assert "Traceback" not in log


def test_one_that_does_not_end_is_killed_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICECHART_DRAIN_S", "0.5")
    server = ServerProcess(tmp_path, "--voice", "espeak", "--processes", str(COUNT)).wait_ready()
    log = until_told(server, "is ready after", COUNT)
    below = children(server.process.pid)
    os.kill(int(str(events(server, "process_started")[0]["pid"])), signal.SIGSTOP)
    assert server.stop(signal.SIGTERM) == 0
    assert all_gone(below, 3.0)
    assert "Traceback" not in log


def test_kill_9_of_the_one_that_watches_leaves_no_process_behind(server: ServerProcess) -> None:
    below = children(server.process.pid)
    assert len(below) > COUNT
    server.stop(signal.SIGKILL)
    assert all_gone(below, 10.0)


async def test_sigterm_lets_the_answer_end_first(server: ServerProcess) -> None:
    async with call_server(server.url) as client:
        await client.type("tell me about pace")
        await client.next_type("tts_chunk")
        server.process.send_signal(signal.SIGTERM)
        await client.next(
            lambda message: message["type"] == "tts_chunk" and bool(payload(message)["is_final"]), within_s=10.0
        )
        await client.report("playback_done", turn=1)
    assert server.process.wait(20.0) == 0


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [(["--knowledge", "/nowhere/at/all"], 1, "could not begin"), (["--bus", "memory://"], 2, "one process")],
)
def test_what_cannot_work_is_said_and_not_tried_for_ever(
    tmp_path: Path, options: list[str], code: int, said: str
) -> None:
    refused = ServerProcess(tmp_path, "--voice", "espeak", "--processes", "2", *options)
    assert refused.process.wait(WITHIN_S) == code
    log = refused.log.read_text()
    assert said in log
    assert "Traceback" not in log


async def test_a_call_is_held_by_one_of_them_whichever_takes_its_offer(server: ServerProcess) -> None:
    for _ in range(6):  # either may take it: that none of six went astray by chance is no accident
        async with call_server(server.url) as client:
            peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
            control, up = peer.createDataChannel("ctl"), asyncio.Event()
            control.on("open", up.set)
            peer.addTransceiver("audio")
            try:
                await peer.setLocalDescription(await peer.createOffer())
                answer = await offer(server, client.session_id, peer.localDescription.sdp)
                await peer.setRemoteDescription(RTCSessionDescription(**answer))
                async with asyncio.timeout(WITHIN_S):
                    await up.wait()
                await client.type("what are your states")
                await client.next_type("answer")
                await client.say(type="hangup")
                assert await client.closed() != 4409, "another process took the call over"
            finally:
                await peer.close()


async def offer(server: ServerProcess, session_id: str, sdp: str) -> dict[str, str]:
    """Offer by a connection of its own."""
    async with httpx.AsyncClient() as http:
        answered = await http.post(f"{server.url}/sessions/{session_id}/offer", json={"sdp": sdp, "type": "offer"})
    assert answered.status_code == 200, answered.text
    found: dict[str, str] = answered.json()
    return found


async def test_what_is_wrong_with_an_offer_is_said_by_any_of_them(server: ServerProcess) -> None:
    async with call_server(server.url) as client, httpx.AsyncClient() as http:
        for session_id, status in ((client.session_id, 400), (str(uuid.uuid4()), 404)):
            for _ in range(4):
                url = f"{server.url}/sessions/{session_id}/offer"
                refused = await http.post(
                    url, json={"sdp": "nonsense", "type": "offer"}, headers={"connection": "close"}
                )
                assert refused.status_code == status
                assert refused.headers["content-type"] == "application/problem+json"
        huge = await http.post(url, json={"sdp": "x" * 400_000, "type": "offer"})
        assert huge.status_code in (400, 413)
