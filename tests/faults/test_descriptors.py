"""A server without file descriptors left refuses new clients, and goes on with those it has."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidMessage

from tests.end_to_end.client import call_server
from tests.server_process import ServerProcess

LEFT = 4
CALLERS = 40
WITHIN_S = 20.0


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def until_served(url: str) -> None:
    """Call until somebody answers: the server only looks for clients again after a while."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                async with call_server(url) as client:
                    await client.type("what can you do")
                    await client.state("SPEAKING")
                    return
            except (OSError, InvalidMessage, ConnectionClosed):
                await asyncio.sleep(0.1)


@pytest.mark.real
@pytest.mark.fault(39)
@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are set on Linux alone")
async def test_without_file_descriptors_the_call_goes_on_and_new_ones_come_later(
    tmp_path: Path, measured: Callable[[str], None]
) -> None:
    import resource

    server = await asyncio.to_thread(ServerProcess(tmp_path, "--voice", "espeak").wait_ready)
    pid = server.process.pid
    others: list[socket.socket] = []
    try:
        async with call_server(server.url) as client:
            limit = descriptors(pid) + LEFT
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, limit))
            # The system takes them in, the server cannot.
            others += [socket.create_connection(("127.0.0.1", server.port), timeout=5.0) for _ in range(CALLERS)]
            began = time.monotonic()
            await client.type("what are your states")
            await client.state("SPEAKING")
            measured(
                f"{CALLERS} more clients, {LEFT} descriptors: the call was answered in {time.monotonic() - began:.2f} s"
            )
            for other in others:
                other.close()
            await until_served(server.url)
        assert server.process.poll() is None
        assert "Traceback" not in server.log.read_text()
    finally:
        for other in others:
            other.close()
        await asyncio.to_thread(server.stop)
