"""The server of our own: it starts on a folder, keeps it, and never outlives us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from adapters.bus.embedded_valkey import EmbeddedValkey
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
    deadline = time.monotonic() + 5.0
    while runs(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not runs(pid)
