"""How Redis is asked: time limits of ours, no hidden retries, errors in the bus's own words."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, cast
from urllib.parse import urlsplit, urlunsplit

import structlog
from redis.exceptions import ResponseError

from adapters.bus.port import BusUnavailable
from adapters.bus.redis_wire import Wire, open_wire, options_of

__all__ = ["BLOCK_MS", "COMMAND_S", "Entry", "Keys", "Link", "Outage", "entries_of", "shown", "streams_of"]

_log = structlog.get_logger()

COMMAND_S = 0.3
"""Longest wait for an answer, and for a connection: a call that waits is dead air."""
BLOCK_MS = 200
"""How long a read waits for new entries before it looks whether its partitions are still the same."""
_BLOCKED_S = 2.0
"""Longest wait for the answer of such a read."""

_UNABLE = (
    "MISCONF",
    "LOADING",
    "NOREPLICAS",
    "CLUSTERDOWN",
    "MASTERDOWN",
    "OOM",
    "READONLY",
    "BUSY ",
    "NOAUTH",
    "NOPERM",
)
"""How answers begin that say the server cannot do now what it is asked."""


def shown(url: str) -> str:
    """Return an address fit for people: without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{host}"))


@contextmanager
def reachable(url: str) -> Iterator[None]:
    """Turn what is raised when the server is away into `BusUnavailable`, saying where and what to do."""
    try:
        yield
    except OSError as error:
        raise BusUnavailable(
            f"cannot reach Redis at {shown(url)}: {str(error).rstrip('.') or type(error).__name__}. "
            "Start it, point --bus (or VOICECHART_BUS) at another, or leave --bus out: "
            "`./run serve` then brings its own."
        ) from error
    except ResponseError as error:
        if str(error).startswith(_UNABLE):
            raise BusUnavailable(f"Redis at {shown(url)} does not serve us now: {error}") from error
        raise


class Link:
    """One client of the server, with answers of known types. It connects at its first command.

    Every method raises `BusUnavailable` when the server is away.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        blocking: For reads that wait for entries; such a client waits longer than `BLOCK_MS`.
    """

    def __init__(self, url: str, *, blocking: bool = False) -> None:
        self.outage = Outage(url)
        self._url = url
        self._options = options_of(url)
        self._blocking = blocking
        self._wire: Wire | None = None
        self._connecting = asyncio.Lock()

    async def call(self, *words: object) -> object:
        """Send one command."""
        return (await self.call_all([words]))[0]

    async def call_all(self, commands: Sequence[Sequence[object]], *, raising: bool = True) -> list[object]:
        """Send many commands at once; their answers in order. Without `raising`, an error is its answer.

        None is ever sent twice: an entry added again would be there twice.
        """
        if not commands:
            return []
        with reachable(self._url):
            answers = await self._ask(commands)
            for answer in answers if raising else ():
                if isinstance(answer, ResponseError):
                    raise answer
            return answers

    async def _ask(self, commands: Sequence[Sequence[object]]) -> list[object]:
        limit_s = _BLOCKED_S if self._blocking else COMMAND_S
        answered = False
        try:
            async with asyncio.timeout(limit_s):
                wire = self._wire if self._wire is not None and self._wire.alive else await self._connect()
                answers = await wire.ask(commands)
            answered = True
            return answers
        except TimeoutError as error:
            self._hang_up()  # a server that is late may stay so
            raise TimeoutError(f"no answer within {limit_s} s") from error
        finally:
            if self._blocking and not answered:
                self._hang_up()  # nobody takes what a read brings that is still waiting there

    async def _connect(self) -> Wire:
        async with self._connecting:
            if self._wire is None or not self._wire.alive:
                self._wire = await open_wire(self._options)
            return self._wire

    def _hang_up(self) -> None:
        if self._wire is not None:
            self._wire.abort()

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
        """Disconnect."""
        if self._wire is not None:
            await self._wire.close()


class Outage:
    """Says once in the log that the server is away, and once that it is back, however many of us notice."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._cut_off: set[str] = set()

    def began(self, part: str, error: BusUnavailable) -> None:
        """One part of this process is cut off."""
        if not self._cut_off:
            _log.error("bus_away", url=shown(self._url), error=str(error))
        self._cut_off.add(part)

    def ended(self, part: str) -> None:
        """One part works; the server is back when all do."""
        if self._cut_off == {part}:
            _log.info("bus_back", url=shown(self._url))
        self._cut_off.discard(part)

    def forget(self, part: str) -> None:
        """One part is closed, cut off or not."""
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
    if len(fields) == 2 and fields[0] == b"data":  # all entries but a stranger's
        return fields[1]
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
