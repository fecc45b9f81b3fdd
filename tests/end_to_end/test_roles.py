"""The roles in processes of their own, on one log: any of them is killed, and the conversation goes on."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from adapters.bus.embedded_valkey import EmbeddedValkey
from adapters.bus.redis_link import Keys, Link
from tests.end_to_end.client import Client, call_server, payload
from tests.server_process import KNOWLEDGE, RoleProcess, ServerProcess

PARTITIONS = 16
WITHIN_S = 30.0

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


@dataclass
class Deployment:
    """Some processes on one log."""

    folder: Path
    bus: str
    processes: list[RoleProcess | ServerProcess] = field(default_factory=list)

    def start(self, *words: str) -> RoleProcess:
        made = RoleProcess(self.folder, *words, "--bus", self.bus)
        self.processes.append(made)
        return made

    def orchestrator(self) -> RoleProcess:
        return self.start("orchestrator")

    def worker(self) -> RoleProcess:
        return self.start("worker", "intent", "rag", "--knowledge", str(KNOWLEDGE))

    def gateway(self) -> ServerProcess:
        made = ServerProcess(self.folder, "--roles", "gateway", "--voice", "espeak", "--bus", self.bus)
        self.processes.append(made)
        return made.wait_ready()


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    valkey = EmbeddedValkey(tmp_path / "log")
    made = Deployment(tmp_path, valkey.start())
    yield made
    for process in made.processes:
        process.stop(signal.SIGKILL)
    valkey.stop()


async def ask(client: Client, turn: int) -> None:
    """Ask by keyboard; return when the answer has been heard."""
    await client.type("what are your states")
    answer = await client.next(lambda message: message["type"] == "answer" and payload(message)["turn"] == turn)
    assert "listening" in str(payload(answer)["text"])
    await client.next(
        lambda message: message["type"] == "tts_chunk" and bool(payload(message)["is_final"]), within_s=WITHIN_S
    )
    await client.report("playback_done", turn=turn)
    await client.state("LISTENING")


async def owners(bus: str) -> dict[int, str]:
    """Return which process holds each partition now."""
    link, keys = Link(bus), Keys(PARTITIONS)
    try:
        held = {partition: await link.text(keys.lease(partition)) for partition in range(PARTITIONS)}
        return {partition: mark.rpartition(":")[0] for partition, mark in held.items() if mark}
    finally:
        await link.close()


async def until_owned_by(bus: str, count: int) -> None:
    """Wait until so many processes hold all partitions."""
    deadline = time.monotonic() + WITHIN_S
    while len(held := await owners(bus)) < PARTITIONS or len(set(held.values())) != count:
        assert time.monotonic() < deadline, held
        await asyncio.sleep(0.05)


async def test_any_of_them_is_killed_and_answers_go_on(deployment: Deployment) -> None:
    orchestrators = [deployment.orchestrator().wait_ready() for _ in range(2)]
    worker = deployment.worker().wait_ready()
    gateway = deployment.gateway()
    async with call_server(gateway.url) as client:
        await until_owned_by(deployment.bus, 2)
        await ask(client, 1)
        orchestrators[0].stop(signal.SIGKILL)
        await ask(client, 2)
        await until_owned_by(deployment.bus, 1)
        worker.stop(signal.SIGKILL)
        await client.type("what are your states")  # nobody is there to answer
        deployment.worker().wait_ready()
        await client.state("LISTENING", within_s=WITHIN_S)  # answered late, or apologised for
        await ask(client, 4)
    assert "Traceback" not in gateway.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_role_that_is_told_to_end_leaves_in_order_and_others_take_over(
    deployment: Deployment, number: signal.Signals
) -> None:
    leaving, staying = (deployment.orchestrator().wait_ready() for _ in range(2))
    worker = deployment.worker().wait_ready()
    deployment.worker().wait_ready()
    await until_owned_by(deployment.bus, 2)
    gateway = deployment.gateway()
    async with call_server(gateway.url) as client:
        for process in (leaving, worker):
            assert await asyncio.to_thread(process.stop, number) == 0
            log = process.log.read_text()
            assert "goodbye" in log
            assert not any(word in log for word in ("Traceback", "warning", "error")), log
        await until_owned_by(deployment.bus, 1)
        await ask(client, 1)
    assert staying.process.poll() is None
    assert "not_given_back" not in leaving.log.read_text()


def test_a_log_that_cannot_be_reached_is_said(tmp_path: Path) -> None:
    for words in (["orchestrator"], ["worker", "intent"]):
        process = RoleProcess(tmp_path, *words, "--bus", "redis://127.0.0.1:1/0")
        assert process.process.wait(WITHIN_S) == 1
        log = process.log.read_text()
        assert "cannot reach Redis" in log
        assert "Traceback" not in log
