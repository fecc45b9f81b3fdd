"""Whatever is thrown at the server, it answers in its own words, and a call beside it goes on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.client import call_server, payload
from tests.end_to_end.hostile import Hostile
from tests.server_process import ServerProcess

REQUESTS, SOCKETS, MESSAGES = 1500, 30, 40


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    made = ServerProcess(tmp_path, "--voice", "espeak").wait_ready()
    yield made
    made.stop()


async def throw_requests(http: httpx.AsyncClient, hostile: Hostile) -> Counter[int]:
    """Send random requests; no answer may be a fault of the server's, every refusal must be a problem document."""
    told: Counter[int] = Counter()
    for _ in range(REQUESTS):
        method, path, body, headers = hostile.request()
        answer = await http.request(method, path, content=body, headers=headers)
        what = f"{method} {path} {headers} {(body or b'')[:200]!r} -> {answer.status_code} {answer.text[:200]}"
        assert answer.status_code < 500, what
        if answer.status_code >= 400 and "Invalid HTTP request" not in answer.text:
            assert answer.headers["content-type"] == "application/problem+json", what
        told[answer.status_code] += 1
    return told


async def throw_messages(url: str, hostile: Hostile) -> None:
    """Send random messages, none of which may close its connection; then vanish."""
    for number in range(SOCKETS):
        async with call_server(url) as client:
            for _ in range(MESSAGES):
                await client.socket.send(hostile.message())
            await client.say(type=f"the end of {number}")
            await client.next(lambda message: f"the end of {number}" in str(message.get("message")))  # noqa: B023
            client.socket.transport.abort()


async def converse(url: str, over: asyncio.Event) -> int:
    """Ask and be answered until the others are done; return how often."""
    turn = 0
    async with call_server(url) as client:
        while not over.is_set():
            turn += 1
            await client.type("what are your states")
            await client.next(lambda message: message["type"] == "tts_chunk" and bool(payload(message)["is_final"]))
            await client.report("playback_done", turn=turn)
            await client.state("LISTENING")
        answers = {str(payload(message)["kind"]) for message in client.of_type("answer")}
        assert answers == {"answer"}, "an apology would be another"
    return turn


async def test_nothing_thrown_at_it_is_its_own_fault_or_anybody_elses(server: ServerProcess) -> None:
    over = asyncio.Event()
    async with httpx.AsyncClient(base_url=server.url, timeout=20.0) as http:
        sessions = [(await http.post("/sessions")).json()["session_id"] for _ in range(20)]
        call = asyncio.create_task(converse(server.url, over))
        told, _ = await asyncio.gather(
            throw_requests(http, Hostile(1, sessions)), throw_messages(server.url, Hostile(2, sessions))
        )
        over.set()
        assert await call >= 1
        assert (await http.get("/health/ready")).status_code == 200
    assert {200, 202, 400, 404, 405, 413} <= set(told), "it was tried in all its ways"
    assert "Traceback" not in server.log.read_text()
