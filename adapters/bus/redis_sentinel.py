"""Asks Sentinels who the master is, at every connection: what was true at the last one may have ended it."""

from __future__ import annotations

from collections import Counter
from typing import cast

from redis.exceptions import ResponseError

from adapters.bus.redis_address import Address, Node
from adapters.bus.redis_line import polled
from adapters.bus.redis_wire import Wire, open_wire

__all__ = ["dial_master"]


async def dial_master(address: Address) -> Wire:
    """Connect to the master.

    Raises:
        OSError: The Sentinels name none, or what they name is away, or is no master (yet).
    """
    host, port = await _named_master(address)
    wire = await open_wire(address.at((host, port)))
    try:
        # The Sentinels' guide for clients: a master that was replaced may not know it yet, nor those that name it.
        [role] = await wire.ask([("ROLE",)])
        kind = role[0] if isinstance(role, list) else b""
        if kind != b"master":
            raise ConnectionError(
                f"{host}:{port}, which the Sentinels call the master of {address.service}, is a "
                f"{kind.decode() if kind else role}"
            )
    except BaseException:
        wire.abort()
        raise
    return wire


async def _named_master(address: Address) -> Node:
    """Return the master that most Sentinels name: one that was cut off may still name the last."""
    named, trouble = await polled(_named_by(address, sentinel) for sentinel in address.nodes)
    if not named:
        raise ConnectionError(f"no Sentinel names the master of {address.service} ({trouble[0]})")
    return Counter(named).most_common(1)[0][0]


async def _named_by(address: Address, sentinel: Node) -> Node:
    wire = await open_wire({**address.guard, "host": sentinel[0], "port": sentinel[1]})
    try:
        [answer] = await wire.ask([("SENTINEL", "GET-MASTER-ADDR-BY-NAME", address.service)])
    finally:
        wire.abort()
    if isinstance(answer, ResponseError):
        raise ConnectionError(f"{sentinel[0]}:{sentinel[1]} answers: {answer}")
    if not answer:
        raise ConnectionError(f"{sentinel[0]}:{sentinel[1]} knows no master called {address.service}")
    host, port = cast("list[bytes]", answer)
    return host.decode(), int(port)
