"""How Redis is reached: time limits of ours, no hidden retries, errors in the bus's own words."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, cast
from urllib.parse import urlsplit, urlunsplit

import redis.exceptions
import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from adapters.bus.port import BusUnavailable

__all__ = ["BLOCK_MS", "COMMAND_S", "Entry", "Keys", "Link", "Outage", "entries_of", "shown", "streams_of"]

_log = structlog.get_logger()

COMMAND_S = 0.3
"""Longest wait for an answer: redis-py's own defaults take seven seconds to fail, in which a call is dead air."""
BLOCK_MS = 200
"""How long a read waits for new entries before it looks whether its partitions are still the same."""
_BLOCKED_S = 2.0

_AWAY = (
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.BusyLoadingError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
    OSError,
)


def shown(url: str) -> str:
    """Return an address fit for people: without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{host}"))


@contextmanager
def reachable(url: str) -> Iterator[None]:
    """Turn what redis-py raises when the server is away into `BusUnavailable`, saying where and what to do.

    A call that was cancelled while an answer came in returns that answer as if nothing had been (redis-py 8.1 loses
    the cancellation in its read timeout); here it ends as cancelled, else its task would run on for ever.
    """
    task = asyncio.current_task()
    cancelled_before = task.cancelling() if task is not None else 0
    try:
        yield
        if task is not None and task.cancelling() > cancelled_before:
            raise asyncio.CancelledError
    except _AWAY as error:
        if task is not None and task.cancelling() > cancelled_before:
            raise asyncio.CancelledError from error
        raise BusUnavailable(
            f"cannot reach Redis at {shown(url)}: {str(error).rstrip('.') or type(error).__name__}. "
            "Start it, point --bus (or VOICECHART_BUS) at another, or leave --bus out: "
            "`./run serve` then brings its own."
        ) from error
    except redis.exceptions.ResponseError as error:
        if str(error).startswith(("MISCONF", "LOADING", "NOREPLICAS", "CLUSTERDOWN", "MASTERDOWN", "OOM", "READONLY")):
            raise BusUnavailable(f"Redis at {shown(url)} takes no writes now: {error}") from error
        raise


class Link:
    """One client of the server, with answers of known types. It connects at its first command.

    Every method raises `BusUnavailable` when the server is away.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        blocking: For reads that wait for entries; such a client waits longer than `BLOCK_MS`.
    """

    def __init__(self, url: str, *, blocking: bool = False) -> None:
        self._url = url
        # An automatic retry can add an entry twice and hides how long a call took: whoever calls decides.
        self._client: Redis = Redis.from_url(
            url,
            socket_timeout=_BLOCKED_S if blocking else COMMAND_S,
            socket_connect_timeout=COMMAND_S,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        # Answers as the server sends them: redis-py's own shapes differ from version to version.
        self._client.response_callbacks.clear()

    async def call(self, *words: object) -> object:
        """Send one command."""
        with reachable(self._url):
            answer: object = await self._client.execute_command(*words)  # type: ignore[no-untyped-call]  # theirs
            return answer

    async def call_all(self, commands: Sequence[Sequence[object]], *, raising: bool = True) -> list[object]:
        """Send many commands at once; their answers in order. Without `raising`, an error is its answer."""
        if not commands:
            return []
        with reachable(self._url):
            pipe = self._client.pipeline(transaction=False)
            for words in commands:
                pipe.execute_command(*words)
            return cast(list[object], await pipe.execute(raise_on_error=raising))

    async def script(self, source: str, keys: Sequence[str], *args: str | bytes | float) -> object:
        """Run a script on the server."""
        return await self.call("EVAL", source, len(keys), *keys, *args)

    async def text(self, key: str) -> str:
        """Return a string key; empty if it is not there."""
        found = cast("bytes | None", await self.call("GET", key))
        return found.decode() if found is not None else ""

    async def table(self, key: str) -> dict[str, bytes]:
        """Return a hash."""
        found = cast("list[bytes]", await self.call("HGETALL", key))
        return {name.decode(): value for name, value in zip(found[::2], found[1::2], strict=True)}

    async def read(self, streams: Mapping[str, str], count: int, block_ms: int) -> list[tuple[str, list[Entry]]]:
        """Return what follows these positions, waiting for it up to `block_ms`."""
        words = ["XREAD", "COUNT", count, "BLOCK", block_ms, "STREAMS", *streams, *streams.values()]
        return streams_of(await self.call(*words))

    async def range(self, stream: str, first: str, count: int) -> list[Entry]:
        """Return entries from a position on."""
        return entries_of(await self.call("XRANGE", stream, first, "+", "COUNT", count))

    async def close(self) -> None:
        """Disconnect; a server that does not answer any more is not waited for."""
        try:
            async with asyncio.timeout(COMMAND_S):
                await self._client.aclose()
        except (TimeoutError, *_AWAY):
            _log.debug("not_closed_in_order", url=shown(self._url))


class Outage:
    """Logs once that the server is away for somebody, and once that it is back.

    Args:
        who: What to say of them in the log, such as `worker="rag-1"`.
    """

    def __init__(self, **who: str) -> None:
        self._who = who
        self._cut_off: set[str] = set()

    def began(self, error: BusUnavailable, part: str = "") -> None:
        """One part of theirs is cut off."""
        if not self._cut_off:
            _log.error("bus_away", error=str(error), **self._who)
        self._cut_off.add(part)

    def ended(self, part: str = "") -> None:
        """One part of theirs works; the server is back when all do."""
        if self._cut_off == {part}:
            _log.info("bus_back", **self._who)
        self._cut_off.discard(part)


class Entry(NamedTuple):
    """An entry of a stream: its position and its field `data`, if it has one."""

    position: str
    data: bytes | None


def entries_of(answer: object) -> list[Entry]:
    """Return the entries in an answer; those that were deleted meanwhile are left out."""
    found = cast("list[tuple[bytes, list[bytes] | None]]", answer or [])
    return [Entry(position.decode(), _data(fields)) for position, fields in found if fields is not None]


def _data(fields: list[bytes]) -> bytes | None:
    return dict(zip(fields[::2], fields[1::2], strict=True)).get(b"data")


def streams_of(answer: object) -> list[tuple[str, list[Entry]]]:
    """Return the answer of a read over several streams."""
    found = cast("list[tuple[bytes, object]]", answer or [])
    return [(stream.decode(), entries_of(entries)) for stream, entries in found]


class Keys:
    """The names of a bus's keys; the braces are the cluster's hash tag."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions

    @staticmethod
    def tag(partition: int) -> str:
        return f"{{p{partition:02d}}}"

    def events(self, partition: int) -> str:
        return f"voice:events:{self.tag(partition)}"

    def journal(self, partition: int) -> str:
        return f"voice:journal:{self.tag(partition)}"

    def tasks(self, kind: str, partition: int) -> str:
        return f"voice:tasks:{kind}:{self.tag(partition)}"

    def gateway(self, gateway: str, partition: int) -> str:
        return f"voice:gateway:{gateway}:{self.tag(partition)}"

    def dlq(self, partition: int) -> str:
        return f"voice:dlq:{self.tag(partition)}"

    def offset(self, partition: int) -> str:
        return f"voice:offset:{self.tag(partition)}"

    def lease(self, partition: int) -> str:
        return f"voice:lease:{self.tag(partition)}"

    def epoch(self, partition: int) -> str:
        return f"voice:epoch:{self.tag(partition)}"

    def snapshots(self, partition: int) -> str:
        return f"voice:snapshots:{self.tag(partition)}"

    @staticmethod
    def presence(role: str) -> str:
        return f"voice:presence:{role}"

    def of(self, key: str) -> int:
        """Return the partition in a key's tag."""
        return int(key[key.rindex("{p") + 2 : key.rindex("}")])
