"""Reads that wait, on a cluster: one connection a stream, since one read over two slots is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Protocol

from redis.exceptions import ResponseError

from adapters.bus.redis_address import Node
from adapters.bus.redis_line import Line, Words
from adapters.bus.redis_wire import Wire

__all__ = ["ClusterReads", "Whereabouts"]

BLOCK_MS = 1000
"""How long one read waits at its node. Whoever reads does not wait for it: reads go on between their calls."""
RETRY_S = 0.05


class Whereabouts(Protocol):
    """What these reads need to know of their cluster."""

    async def know(self) -> None: ...
    def owner(self, key: str) -> Node | None: ...
    def follow(self, answer: object, asked: Node) -> tuple[str, Node] | None: ...
    def look(self) -> None: ...
    async def dial(self, node: Node) -> Wire: ...


class _Read:
    """One read under way, or done."""

    def __init__(self, head: Words, stream: str, position: str) -> None:
        self.words = (*head, "BLOCK", BLOCK_MS, "STREAMS", stream, position)
        self.stream = stream
        self.position = position
        self.task: asyncio.Task[list[object]] | None = None


class ClusterReads:
    """The streams one reader follows. Each has a read under way, also while nobody waits for it."""

    def __init__(self, cluster: Whereabouts) -> None:
        self._cluster = cluster
        self._lines: dict[str, tuple[Node, Line]] = {}
        self._reads: dict[str, _Read] = {}
        self._done: list[_Read] = []
        self._something = asyncio.Event()

    async def read(self, head: Words, streams: Mapping[str, str], block_ms: int) -> list[object]:
        """Return what came on any of the streams; see `Lines.read`."""
        await self._cluster.know()
        self._keep_reading(head, streams)
        if not self._done:
            try:
                async with asyncio.timeout(block_ms / 1000):
                    await self._something.wait()
            except TimeoutError:
                return []
        self._something.clear()
        return self._taken()

    def hang_up(self) -> None:
        """End all reads and their connections."""
        for stream in list(self._reads):
            self._give_up(stream)
        for _, line in self._lines.values():
            line.hang_up()

    async def close(self) -> None:
        reads = [read.task for read in self._reads.values() if read.task is not None]
        self.hang_up()
        await asyncio.gather(*reads, return_exceptions=True)
        for _, line in self._lines.values():
            await line.close()

    def _keep_reading(self, head: Words, streams: Mapping[str, str]) -> None:
        for stream in [name for name, read in self._reads.items() if streams.get(name) != read.position]:
            self._give_up(stream)
        for stream, position in streams.items():
            if stream not in self._reads:
                read = self._reads[stream] = _Read(head, stream, position)
                read.task = asyncio.create_task(self._wait(read), name=f"read-{stream}")
                read.task.add_done_callback(partial(self._ended, read))

    def _give_up(self, stream: str) -> None:
        """Nobody wants a stream's entries, or they are wanted from another position on."""
        read = self._reads.pop(stream)
        if read in self._done:
            self._done.remove(read)
        elif read.task is not None:
            read.task.cancel()

    def _ended(self, read: _Read, task: asyncio.Task[list[object]]) -> None:
        if not task.cancelled():
            task.exception()  # whoever gave it up does not want to know
        if self._reads.get(read.stream) is read:
            self._done.append(read)
            self._something.set()

    def _taken(self) -> list[object]:
        """Return what came; what failed is told only if nothing did, for it fails again."""
        done, self._done = self._done, []
        found: list[object] = []
        trouble: BaseException | None = None
        for read in done:
            assert read.task is not None
            del self._reads[read.stream]
            if read.task.cancelled():
                continue
            if (error := read.task.exception()) is not None:
                trouble = error
            else:
                found += read.task.result()
        if trouble is not None and not found:
            raise trouble
        return found

    async def _wait(self, read: _Read) -> list[object]:
        try:
            while True:
                if found := await self._ask(read):
                    return found
        except (OSError, ResponseError):
            self._cluster.look()
            await asyncio.sleep(RETRY_S)  # a node that is away fails at once, and again
            raise

    async def _ask(self, read: _Read) -> list[object]:
        node = self._cluster.owner(read.stream)
        if node is None:
            raise ResponseError(f"CLUSTERDOWN no node has {read.stream}")
        line = self._line(read.stream, node)
        [answer] = await line.ask([read.words])
        redirect = self._cluster.follow(answer, node)
        if redirect is not None and redirect[0] == "ASK":
            once = Line(partial(self._cluster.dial, redirect[1]), blocking=True)
            _, answer = await once.ask([("ASKING",), read.words])
            await once.close()
        elif redirect is not None:
            return []  # asked again, of the node that has it now
        if isinstance(answer, ResponseError):
            raise answer
        return answer if isinstance(answer, list) else []

    def _line(self, stream: str, node: Node) -> Line:
        """Return the line for a stream; its node may be another than the last time."""
        known = self._lines.get(stream)
        if known is not None and known[0] == node:
            return known[1]
        if known is not None:
            known[1].hang_up()
        line = Line(partial(self._cluster.dial, node), blocking=True)
        self._lines[stream] = (node, line)
        return line
