"""What a measurement asks of the servers, and sets at those that are its own."""

from __future__ import annotations

import asyncio
from typing import cast

from adapters.bus.redis_address import address_of
from adapters.bus.redis_link import Link

__all__ = ["RedisAdmin"]

REWRITE_TRIES, REWRITE_LOOK_S = 200, 0.05


class RedisAdmin:
    """One server, or all nodes of a cluster that an address names.

    Args:
        url: Of one server, or of a cluster, all of whose masters it names.
    """

    def __init__(self, url: str) -> None:
        address = address_of(url)
        nodes = [f"redis://{host}:{port}" for host, port in address.nodes] if address.form == "cluster" else [url]
        self._links = [Link(node) for node in nodes]

    async def cpu_s(self) -> float:
        """Return the CPU time that the servers have taken since they began, in seconds."""
        return sum([await self._used(link) for link in self._links])

    async def write_to_disk(self, on: bool) -> None:
        """Keep an append-only file, or none."""
        for link in self._links:
            await link.call("CONFIG", "SET", "appendonly", "yes" if on else "no")
            for _ in range(REWRITE_TRIES):
                if b"aof_rewrite_in_progress:0" in await self._info(link, "persistence"):
                    break  # the file has begun, with what there was already
                await asyncio.sleep(REWRITE_LOOK_S)

    async def writes_to_disk(self) -> bool:
        """Return whether all keep an append-only file."""
        return all([b"aof_enabled:1" in await self._info(link, "persistence") for link in self._links])

    async def empty(self) -> None:
        """Forget everything."""
        for link in self._links:
            await link.call("FLUSHALL")

    async def close(self) -> None:
        for link in self._links:
            await link.close()

    async def _used(self, link: Link) -> float:
        facts = dict(line.split(b":", 1) for line in (await self._info(link, "cpu")).splitlines() if b":" in line)
        return float(facts[b"used_cpu_user"]) + float(facts[b"used_cpu_sys"])

    @staticmethod
    async def _info(link: Link, section: str) -> bytes:
        return cast(bytes, await link.call("INFO", section))
