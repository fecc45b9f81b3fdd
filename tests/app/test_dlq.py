"""`voicechart dlq` as a user calls it, on a log with dead letters."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.bus.embedded_valkey import EmbeddedValkey
from adapters.bus.redis_streams import RedisStreamsBus
from tests.adapters.bus.steps import ask, fact, hand, session
from tests.app.test_cli import voicechart


class Log:
    """The data folder of a server that runs."""

    def __init__(self, folder: Path) -> None:
        self.data = str(folder)
        self._server = EmbeddedValkey(folder)
        self.url = self._server.start()

    def stop(self) -> None:
        self._server.stop()

    async def put_aside(self, *errors: str) -> None:
        bus = RedisStreamsBus(self.url)
        await bus.start()
        for error in errors:
            await ask(bus, fact(session(), 1, "voice.rag.request"))
            await (await hand(bus.subscribe("rag", "w1"))).dead_letter(error)
        await bus.close()

    async def waiting(self) -> int:
        """Return how many requests wait for a worker."""
        bus = RedisStreamsBus(self.url)
        await bus.start()
        found = [await bus.link.call("XLEN", f"voice:tasks:rag:{{p{partition:02d}}}") for partition in range(16)]
        await bus.close()
        return sum(int(str(length)) for length in found)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    made = Log(tmp_path / "data")
    yield made
    made.stop()


def listed(log: Log) -> list[dict[str, object]]:
    done = voicechart("dlq", "list", "--json", "--data", log.data)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def test_they_are_listed_shown_tried_again_and_dropped(log: Log) -> None:
    asyncio.run(log.put_aside("the first", "the second"))
    rows = listed(log)
    assert [(row["request"], row["error"], row["attempts"]) for row in rows] == [
        ("rag.request", "the first", 1),
        ("rag.request", "the second", 1),
    ]
    first, second = (str(row["id"]) for row in rows)
    assert "the second" in voicechart("dlq", "list", "--bus", log.url).stdout
    shown = json.loads(voicechart("dlq", "show", first, "--data", log.data, "--json").stdout)
    assert shown["payload"]["event"]["payload"]["text"] == "word 1"

    done = voicechart("dlq", "retry", first[:8], "--data", log.data)
    assert (done.returncode, done.stdout) == (0, f"retried {first[:8]}\n")
    assert asyncio.run(log.waiting()) == 1
    done = voicechart("dlq", "drop", second, "--data", log.data, "--json")
    assert json.loads(done.stdout) == {"dropped": [second], "gone": []}
    assert listed(log) == []
    assert asyncio.run(log.waiting()) == 1


def test_they_are_there_when_no_server_runs(log: Log) -> None:
    asyncio.run(log.put_aside("the only one"))
    log.stop()
    assert [row["error"] for row in listed(log)] == ["the only one"]


@pytest.mark.parametrize("words", [["show", "0000"], ["retry", "0000"], ["drop", "0000"]], ids=" ".join)
def test_an_id_that_names_none_changes_nothing(log: Log, words: list[str]) -> None:
    asyncio.run(log.put_aside("kept"))
    done = voicechart("dlq", *words, "--data", log.data)
    assert (done.returncode, done.stdout) == (1, "")
    assert "dlq list" in done.stderr
    assert len(listed(log)) == 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["retry"], 2, "ID"),
        (["list", "--bus", "memory://"], 1, "memory://"),
        (["list", "--bus", "redis://127.0.0.1:1/0"], 1, "cannot reach Redis"),
        (["list", "--data", "/nowhere/at/all"], 1, "no log"),
    ],
)
def test_what_cannot_work_is_said(words: list[str], code: int, said: str) -> None:
    done = voicechart("dlq", *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
