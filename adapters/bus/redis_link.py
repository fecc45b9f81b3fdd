"""How Redis is asked: time limits of ours, no hidden retries, errors in the bus's own words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple, cast

import structlog
from redis.exceptions import ResponseError

from adapters.bus.port import BusUnavailable
from adapters.bus.redis_address import Address, address_of, shown
from adapters.bus.redis_cluster import Cluster
from adapters.bus.redis_line import Line, Lines, Words
from adapters.bus.redis_sentinel import dial_master
from adapters.bus.redis_wire import open_wire

__all__ = ["BLOCK_MS", "Entry", "Keys", "Link", "Outage", "entries_of", "streams_of"]

_log = structlog.get_logger()

BLOCK_MS = 200
"""How long a read waits for new entries before it looks whether its partitions are still the same."""

_REPLACED = ("READONLY", "MASTERDOWN", "UNBLOCKED force unblock")
"""How answers begin that say another server is the master now."""
_UNABLE = (
    *_REPLACED, "MISCONF", "LOADING", "NOREPLICAS", "OOM", "BUSY ", "NOAUTH", "NOPERM",
    "CLUSTERDOWN", "MOVED", "ASK ", "TRYAGAIN",
)  # fmt: skip
"""How answers begin that say the server cannot do now what it is asked."""


def lines_to(address: Address, *, blocking: bool) -> Lines:
    """Return what asks the servers of an address."""
    if address.form == "cluster":
        return Cluster(address)
    dial = partial(dial_master, address) if address.form == "sentinel" else partial(open_wire, address.options)
    return Line(dial, blocking=blocking)


class Link:
    """One client of the server or servers, with answers of known types. It connects at its first command.

    Every method raises `BusUnavailable` when the server is away.

    Args:
        url: What `address_of` reads.
        blocking: For reads that wait for entries; such a client waits longer than `BLOCK_MS`.
    """

    def __init__(self, url: str, *, blocking: bool = False) -> None:
        self.outage = Outage(url)
        self._url = url
        self._lines = lines_to(address_of(url), blocking=blocking)

    async def call(self, *words: object) -> object:
        """Send one command."""
        return (await self.call_all([words]))[0]

    async def call_all(self, commands: Sequence[Words], *, raising: bool = True) -> list[object]:
        """Send many commands at once; their answers in order. Without `raising`, an error is its answer.

        None that may have been done is ever sent twice: an entry added again would be there twice.
        """
        if not commands:
            return []
        try:
            answers = await self._lines.ask(commands)
        except OSError as error:
            raise self._told(error) from error
        for place, answer in enumerate(answers):
            if isinstance(answer, Exception):
                answers[place] = told = self._told(answer)
                if raising:
                    raise told from answer
        return answers

    def _told(self, error: Exception) -> Exception:
        """Return `BusUnavailable`, saying where and what to do, if that is what an error means; else itself."""
        if isinstance(error, OSError):
            return BusUnavailable(
                f"cannot reach Redis at {shown(self._url)}: {str(error).rstrip('.') or type(error).__name__}. "
                "Start it, point --bus (or VOICECHART_BUS) at another, or leave --bus out: "
                "`./run serve` then brings its own."
            )
        if str(error).startswith(_REPLACED):
            self._lines.hang_up()
        if str(error).startswith(_UNABLE):
            return BusUnavailable(f"Redis at {shown(self._url)} does not serve us now: {error}")
        return error

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
        return await self._read(("XREAD", "COUNT", count), streams, block_ms)

    async def read_group(
        self, group: str, member: str, streams: Sequence[str], count: int, block_ms: int
    ) -> list[tuple[str, list[Entry]]]:
        """Return what nobody of a group was handed yet, waiting for it up to `block_ms`; up to `count` a stream."""
        head = ("XREADGROUP", "GROUP", group, member, "COUNT", count)
        return await self._read(head, dict.fromkeys(streams, ">"), block_ms)

    async def _read(self, head: Words, streams: Mapping[str, str], block_ms: int) -> list[tuple[str, list[Entry]]]:
        try:
            return streams_of(await self._lines.read(head, streams, block_ms))
        except (OSError, ResponseError) as error:
            raise self._told(error) from error

    async def range(self, stream: str, first: str, count: int) -> list[Entry]:
        """Return entries from a position on."""
        return entries_of(await self.call("XRANGE", stream, first, "+", "COUNT", count))

    async def close(self) -> None:
        """Disconnect."""
        await self._lines.close()


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

    @contextmanager
    def watching(self, part: str) -> Iterator[None]:
        """Note whether what is done inside is cut off, or works."""
        try:
            yield
        except BusUnavailable as error:
            self.began(part, error)
            raise
        self.ended(part)

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

    def ping(self, partition: int) -> str:
        return f"voice:ping:{self.tag(partition)}"

    @staticmethod
    def presence(role: str) -> str:
        return f"voice:presence:{role}"

    def of(self, key: str) -> int:
        """Return the partition in a key's tag."""
        return int(key[key.rindex("{p") + 2 : key.rindex("}")])
