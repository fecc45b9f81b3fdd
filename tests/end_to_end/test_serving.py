"""Starting, stopping and dying of the real server."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.adapters.bus.kafka_broker import KafkaBroker
from tests.end_to_end.client import call_server, payload
from tests.processes import all_gone, children
from tests.server_process import ROOT, ServerProcess
from tests.speech import load


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    made = ServerProcess(tmp_path, "--voice", "espeak").wait_ready()
    yield made
    if made.process.poll() is None:
        made.stop(signal.SIGKILL)


def test_it_prints_its_address_and_says_goodbye_on_ctrl_c(server: ServerProcess) -> None:
    below = children(server.process.pid)
    assert below
    began = time.monotonic()
    assert server.stop(signal.SIGINT) == 0
    assert time.monotonic() - began < 3.0
    log = server.log.read_text()
    assert server.url in log
    assert "ready after" in log
    assert "goodbye" in log
    assert "Traceback" not in log
    assert all_gone(below, 3.0)


async def test_ctrl_c_in_the_middle_of_an_answer_ends_it_too(server: ServerProcess) -> None:
    async with call_server(server.url) as client:
        await client.type("tell me about the five states")
        await client.next_type("tts_chunk")
        began = time.monotonic()
        server.process.send_signal(signal.SIGINT)
        await client.closed()
        assert await asyncio.to_thread(server.process.wait, 10.0) == 0
        assert time.monotonic() - began < 3.0
    assert "Traceback" not in server.log.read_text()


async def test_ctrl_c_while_a_model_works_ends_it_in_order(server: ServerProcess) -> None:
    async with call_server(server.url) as client:
        long = load("ask_states.wav") * 10 + bytes(64_000)
        for start in range(0, len(long), 6400):
            await client.socket.send(long[start : start + 6400])
            await asyncio.sleep(0.04)  # five times as fast as it was spoken
        await client.next(lambda message: payload(message).get("substate") == "settling")
        server.process.send_signal(signal.SIGINT)  # the recogniser is busy for a second or more
        assert await asyncio.to_thread(server.process.wait, 10.0) == 0, server.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_models_load_is_obeyed_at_once(tmp_path: Path, number: signal.Signals) -> None:
    server = ServerProcess(tmp_path)
    while "event log" not in server.log.read_text():
        time.sleep(0.01)
    below = children(server.process.pid)
    began = time.monotonic()
    assert server.stop(number) == 0
    assert time.monotonic() - began < 2.0
    assert "goodbye" in server.log.read_text()
    assert all_gone(below, 3.0)


async def test_sigterm_lets_a_question_end_and_be_answered(server: ServerProcess) -> None:
    async with call_server(server.url) as client:
        speaking = asyncio.create_task(client.speak(load("ask_states.wav") + bytes(64_000)))
        await client.next(lambda message: payload(message).get("substate") == "hearing")
        await asyncio.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        await client.next_type("tts_chunk")
        await client.report("playback_done", turn=1)
        assert await asyncio.to_thread(server.process.wait, 10.0) == 0
        await asyncio.gather(speaking, return_exceptions=True)


async def test_sigterm_lets_the_answer_end_first(server: ServerProcess) -> None:
    async with call_server(server.url) as client:
        await client.type("tell me about pace")  # some five seconds, within the eight of a drain
        await client.next_type("tts_chunk")
        server.process.send_signal(signal.SIGTERM)
        await client.next(
            lambda message: message["type"] == "tts_chunk" and bool(payload(message)["is_final"]), within_s=10.0
        )
        await client.report("playback_done", turn=1)
        assert await asyncio.to_thread(server.process.wait, 10.0) == 0


async def test_a_second_sigterm_ends_at_once(server: ServerProcess) -> None:
    async with call_server(server.url) as client:
        await client.type("tell me about the five states")
        await client.next_type("tts_chunk")
        server.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.7)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        await client.closed()
        assert await asyncio.to_thread(server.process.wait, 10.0) == 0
        assert time.monotonic() - began < 3.0


def test_kill_9_leaves_no_process_behind(server: ServerProcess) -> None:
    below = children(server.process.pid)
    server.stop(signal.SIGKILL)
    assert all_gone(below, 5.0)


async def test_what_was_said_survives_a_kill_and_the_client_goes_on(server: ServerProcess, tmp_path: Path) -> None:
    async with call_server(server.url) as client:
        await client.type("what are your states")
        await client.next(lambda message: message["type"] == "tts_chunk" and bool(payload(message)["is_final"]))
        await client.report("playback_done", turn=1)
        await client.state("LISTENING")
        session_id = client.session_id
        server.stop(signal.SIGKILL)
    again = await asyncio.to_thread(ServerProcess(tmp_path, "--voice", "espeak").wait_ready)
    try:
        async with call_server(again.url, session_id) as client:
            assert payload(client.messages[0])["turn"] == 1
            await client.type("say that again")
            answer = await client.next_type("answer")
            assert "listening" in str(payload(answer)["text"])
    finally:
        again.stop()


def test_a_second_server_on_the_same_data_says_so(server: ServerProcess, tmp_path: Path) -> None:
    second = ServerProcess(tmp_path)
    assert second.process.wait(20.0) == 1
    assert "--data" in second.log.read_text()
    assert "Traceback" not in second.log.read_text()


def test_port_0_is_any_free_one_and_is_told(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--voice", "espeak", port=0)
    try:
        deadline = time.monotonic() + 30.0
        while "is ready" not in server.log.read_text():
            assert time.monotonic() < deadline, server.log.read_text()
            time.sleep(0.05)
        (address,) = set(re.findall(r"http://127\.0\.0\.1:\d+", server.log.read_text()))
        assert httpx.get(f"{address}/health/ready").status_code == 200
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("roles", "said"), [("gateway", "waits: no orchestrator is alive"), ("orchestrator,workers", "calls go to other")]
)
def test_a_process_with_some_of_the_roles_does_not_say_more_than_is_true(tmp_path: Path, roles: str, said: str) -> None:
    server = ServerProcess(tmp_path, "--voice", "espeak", "--roles", roles)
    try:
        deadline = time.monotonic() + 30.0
        while said not in server.log.read_text():
            assert time.monotonic() < deadline, server.log.read_text()
            time.sleep(0.05)
        assert "and talk" not in server.log.read_text()
    finally:
        assert server.stop() == 0


def test_a_port_in_use_is_said_in_words(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        second = ServerProcess(tmp_path, port=taken.getsockname()[1])
        assert second.process.wait(20.0) == 1
    assert "is in use" in second.log.read_text()


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--bus", "redis://127.0.0.1:1/0"], 1, "cannot reach Redis"),
        (["--bus", "kafka://127.0.0.1:1"], 1, "cannot reach Kafka at 127.0.0.1:1"),
        (["--bus", "kafka://127.0.0.1:1,"], 2, "kafka://host:port,host:port"),
        (["--bus", "ftp://somewhere"], 2, "redis://"),
        (["--knowledge", "/nowhere/at/all"], 1, "/nowhere/at/all"),
        (["--host", "0.0.0.0"], 2, "--insecure"),
        (["--voice", "choir"], 2, "piper"),
        (["--roles", "singer"], 2, "gateway"),
        (["--model", "/nowhere/at/all"], 1, "--model"),
    ],
)
def test_what_cannot_work_is_said_with_advice(tmp_path: Path, options: list[str], code: int, said: str) -> None:
    refused = ServerProcess(tmp_path, *options)
    assert refused.process.wait(30.0) == code
    log = refused.log.read_text()
    assert said in log
    assert "Traceback" not in log


def test_redis_url_is_understood(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app", "config", "--json"], cwd=ROOT, capture_output=True, text=True, check=True,
        env={**os.environ, "REDIS_URL": "redis://me:secret@localhost:6379/0"},
    )  # fmt: skip
    assert "redis://me:***@localhost:6379/0" in done.stdout
    assert "secret" not in done.stdout


def test_a_server_of_ones_own_is_used_when_named(tmp_path: Path) -> None:
    from adapters.bus.embedded_valkey import EmbeddedValkey

    valkey = EmbeddedValkey(tmp_path / "other")
    server = ServerProcess(tmp_path, "--voice", "espeak", "--bus", valkey.start()).wait_ready()
    try:
        assert httpx.post(f"{server.url}/sessions").status_code == 201
    finally:
        assert server.stop() == 0
        valkey.stop()


async def test_a_conversation_goes_over_kafka(tmp_path: Path) -> None:
    broker = KafkaBroker()
    broker.start()
    server = ServerProcess(tmp_path, "--voice", "espeak", "--bus", broker.url)
    try:
        await asyncio.to_thread(server.wait_ready)
        async with call_server(server.url) as client:
            await client.type("what are your states")
            answer = payload(await client.next_type("answer"))
            assert "five states" in str(answer["text"])
            await client.next_type("tts_chunk")
        async with httpx.AsyncClient(base_url=f"{server.url}/sessions/{client.session_id}") as about_it:
            assert (await about_it.get("/turns")).json()[0]["user_text"] == "what are your states"
            assert (await about_it.delete("")).is_success
        assert await asyncio.to_thread(server.stop) == 0
    finally:
        server.process.kill()
        broker.kill()
    assert "Traceback" not in server.log.read_text()
