"""The server of our own: it starts on a folder, keeps it, and never outlives us."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from adapters.bus.embedded_valkey import EmbeddedValkey
from adapters.bus.port import BusUnavailable
from adapters.bus.redis_link import Link
from statecharts.events import VoicechartError

_HOLDER = """
import sys, time
from pathlib import Path
from adapters.bus.embedded_valkey import EmbeddedValkey
server = EmbeddedValkey(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
time.sleep(60)
"""


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1] if Path(f"/proc/{pid}").exists() else True


def until_gone(pid: int) -> None:
    deadline = time.monotonic() + 5.0
    while runs(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not runs(pid)


def parent_of(pid: int) -> int:
    told = subprocess.run(["ps", "-o", "ppid=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(told.stdout)


def kill_guardian(pid: int) -> None:
    """Kill a server's guardian and return when it is dead: its death would wake a server that was stopped before."""
    guardian = parent_of(pid)
    os.kill(guardian, signal.SIGKILL)
    deadline = time.monotonic() + 5.0
    while parent_of(pid) == guardian:
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def write(url: str, *names: str) -> None:
    link = Link(url)
    for name in names:
        await link.call("SET", name, name)
    await link.close()


async def test_what_was_written_survives_a_restart(tmp_path: Path) -> None:
    for turn in range(2):
        server = EmbeddedValkey(tmp_path)
        link = Link(server.start())
        if turn == 0:
            await link.call("SET", "kept", "yes")
        assert await link.text("kept") == "yes"
        await link.close()
        server.stop()


async def test_it_writes_every_second_and_evicts_nothing(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path)
    link = Link(server.start())
    for name, value in {"appendonly": b"yes", "appendfsync": b"everysec", "maxmemory-policy": b"noeviction"}.items():
        assert await link.call("CONFIG", "GET", name) == [name.encode(), value]
    assert await link.call("CONFIG", "GET", "port") == [b"port", b"0"]
    await link.close()
    server.stop()


def test_a_second_server_on_the_same_folder_is_refused_in_words(tmp_path: Path) -> None:
    first = EmbeddedValkey(tmp_path)
    first.start()
    with pytest.raises(VoicechartError, match="--data"):
        EmbeddedValkey(tmp_path).start()
    first.stop()
    again = EmbeddedValkey(tmp_path)
    again.start()
    again.stop()


def test_a_folder_that_cannot_be_made_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(VoicechartError, match="--data"):
        EmbeddedValkey(tmp_path / "file").start()


def test_a_deep_folder_gets_its_socket_elsewhere(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path / ("deep" * 20) / ("deeper" * 10))
    url = server.start()
    assert len(url) < 110
    server.stop()
    assert not runs(server.pid)


@pytest.mark.parametrize("folder", ["data", "d" * 120])
def test_its_address_is_told_to_others_while_it_runs(tmp_path: Path, folder: str) -> None:
    server = EmbeddedValkey(tmp_path / folder)
    assert EmbeddedValkey.running(tmp_path / folder) == ""
    url = server.start()
    assert EmbeddedValkey.running(tmp_path / folder) == url
    server.stop()
    assert EmbeddedValkey.running(tmp_path / folder) == ""


def test_it_is_ended_even_if_its_guardian_was_killed(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path)
    server.start()
    kill_guardian(server.pid)
    server.stop()
    until_gone(server.pid)


def test_the_folder_stays_locked_while_a_server_that_nobody_guards_still_writes(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path)
    server.start()
    kill_guardian(server.pid)
    os.kill(server.pid, signal.SIGSTOP)
    server.stop()
    with pytest.raises(VoicechartError, match="--data"):
        EmbeddedValkey(tmp_path).start()
    os.kill(server.pid, signal.SIGCONT)
    again = EmbeddedValkey(tmp_path)
    again.start()
    again.stop()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(VoicechartError, match="No such file"):
        EmbeddedValkey(tmp_path, binary="/nowhere/valkey-server").start()


def test_a_broken_end_of_the_file_costs_no_more_than_that_end(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path)
    url = server.start()
    asyncio.run(write(url, "first", "second"))
    server.stop()
    [file] = (tmp_path / "valkey" / "appendonlydir").glob("*.incr.aof")
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size - 10)
    again = EmbeddedValkey(tmp_path)
    link = Link(again.start())

    async def kept() -> list[str]:
        try:
            return [await link.text("first"), await link.text("second")]
        finally:
            await link.close()

    assert asyncio.run(kept()) == ["first", ""]
    again.stop()


def test_kill_9_of_its_parent_ends_it(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert holder.stdout is not None
    pid = int(holder.stdout.readline())
    assert runs(pid)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    until_gone(pid)


async def test_a_server_that_is_killed_is_started_again_with_what_it_held(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path)
    url = server.start()
    await write(url, "kept")
    await asyncio.sleep(1.1)  # what dies sooner is not started again
    os.kill(server.pid, signal.SIGKILL)
    async with asyncio.timeout(5.0):
        while True:
            link = Link(url)
            try:
                assert await link.text("kept") == "kept"
                break
            except BusUnavailable:
                await asyncio.sleep(0.02)
            finally:
                await link.close()
    server.stop()
    assert not (tmp_path / "valkey" / "valkey.pid").exists(), "the second one has ended, too"


def test_a_server_that_cannot_start_is_told_soon(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(VoicechartError, match="did not start"):
        EmbeddedValkey(tmp_path, binary=shutil.which("false")).start()
    assert time.monotonic() - began < 3.0


def test_what_a_killed_server_was_writing_is_thrown_away(tmp_path: Path) -> None:
    half = tmp_path / "valkey" / "temp-rewriteaof-bg-1.aof"
    half.parent.mkdir()
    half.write_bytes(b"half of it")
    server = EmbeddedValkey(tmp_path)
    server.start()
    server.stop()
    assert not half.exists()
