"""A gateway is killed in the middle of an answer, and the conversation goes on at another one."""

from __future__ import annotations

import json
import signal
import time
import uuid

import pytest
from websockets.asyncio.client import connect

from adapters.bus.redis_streams import RedisStreamsBus
from app.gateway.told import missed_messages
from tests.end_to_end.client import Client, call_server, payload, socket_url
from tests.end_to_end.test_roles import Deployment, deployment

__all__ = ["deployment"]

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

LONG = "tell me about the five states"
"""Answered for some 25 s."""
SHORT = "tell me about pace"
"""Answered for some 6 s."""


async def resume(server: str, before: Client) -> tuple[Client, float]:
    """Connect to another gateway; return the connection and how long it took to hear on."""
    began = time.monotonic()
    last = [message["id"] for message in before.messages if "id" in message][-1]
    socket = await connect(f"{socket_url(server, before.session_id)}&after={last}", max_size=None, max_queue=None)
    client = Client(socket, before.session_id)
    await client.next_type("tts_chunk")
    return client, time.monotonic() - began


def numbered(*clients: Client) -> list[object]:
    return [
        message["id"] for client in clients for message in client.messages
        if "id" in message and message["type"] != "session"
    ]  # fmt: skip


async def test_an_answer_goes_on_at_another_gateway(deployment: Deployment) -> None:
    for role in (deployment.orchestrator(), deployment.worker()):
        role.wait_ready()
    first, second = deployment.gateway(), deployment.gateway()
    async with call_server(first.url) as before:
        await before.type(SHORT)
        await before.next(lambda message: message["type"] == "tts_chunk" and payload(message)["seq"] == 9)
        await before.report("playback_progress", turn=1, played_s=1.0)
        await before.next(lambda message: message["type"] == "tts_chunk" and payload(message)["seq"] == 12)
        first.stop(signal.SIGKILL)
        await before.closed()
        after, took_s = await resume(second.url, before)
        assert took_s < 5.0  # a second on a quiet machine; `chaos` measures it
        assert after.messages[0]["type"] == "session"
        assert payload(after.messages[0])["state"] == "SPEAKING"
        end = await after.next(lambda message: message["type"] == "tts_chunk" and bool(payload(message)["is_final"]))
        assert payload(end)["turn"] == 1
        seqs = [payload(message)["seq"] for message in (*before.of_type("tts_chunk"), *after.of_type("tts_chunk"))]
        assert seqs == list(range(len(seqs))), "no number twice, none left out"
        await after.report("playback_done", turn=1)
        await after.state("LISTENING")
        bus = RedisStreamsBus(deployment.bus)
        await bus.start()
        journal = await bus.journal(before.session_id)
        told = [message["id"] for message in missed_messages(journal, "0", "9" * 15)]
        await bus.close()
        assert numbered(before, after) == told[: len(numbered(before, after))], "each message once, in order"
        await after.socket.close()


async def test_the_newest_client_has_the_call_wherever_it_arrives(deployment: Deployment) -> None:
    for role in (deployment.orchestrator(), deployment.worker()):
        role.wait_ready()
    first, second = deployment.gateway(), deployment.gateway()
    session_id = str(uuid.uuid4())
    async with call_server(first.url, session_id) as old, call_server(second.url, session_id) as new:
        assert await old.closed() == 4409
        assert json.loads(json.dumps(old.messages[-1]))["code"] == "taken_over"
        await new.type("what are your states")
        await new.next_type("tts_chunk")


async def test_a_gateway_that_stood_still_has_no_say_when_it_wakes(deployment: Deployment) -> None:
    for role in (deployment.orchestrator(), deployment.worker()):
        role.wait_ready()
    first, second = deployment.gateway(), deployment.gateway()
    async with call_server(first.url) as before:
        await before.type(LONG)
        await before.next_type("tts_chunk")
        first.process.send_signal(signal.SIGSTOP)
        try:
            after, _ = await resume(second.url, before)
        finally:
            first.process.send_signal(signal.SIGCONT)
        assert await before.closed() == 4409
        await after.type("what are your states")
        answer = await after.next(lambda message: message["type"] == "answer" and payload(message)["turn"] == 2)
        assert "listening" in str(payload(answer)["text"])
        await after.socket.close()


async def test_a_connect_that_was_given_up_takes_nobodys_place(deployment: Deployment) -> None:
    for role in (deployment.orchestrator(), deployment.worker()):
        role.wait_ready()
    first, second = deployment.gateway(), deployment.gateway()
    first.process.send_signal(signal.SIGSTOP)
    session_id = str(uuid.uuid4())
    try:
        with pytest.raises(TimeoutError):
            await connect(socket_url(first.url, session_id), open_timeout=1.0)
        async with call_server(second.url, session_id) as client:
            first.process.send_signal(signal.SIGCONT)
            first.wait_ready()
            await client.type("what are your states")
            await client.next_type("tts_chunk")
            assert "error" not in {message["type"] for message in client.messages}
    finally:
        first.process.send_signal(signal.SIGCONT)
