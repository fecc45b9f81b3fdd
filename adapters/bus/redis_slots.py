"""Which node of a cluster has which key, as the nodes tell (Redis Cluster specification)."""

from __future__ import annotations

import binascii
from functools import lru_cache
from typing import cast

from redis.exceptions import ResponseError

from adapters.bus.redis_address import Node, node_of
from adapters.bus.redis_line import Line, Words

__all__ = ["SlotMap", "View", "key_of", "redirect_of", "slot_of", "view_of"]

SLOTS = 16384
_KEY_AT = {"EVAL": 3, "XGROUP": 2, "XINFO": 2, "OBJECT": 2}
"""Commands whose first key is not their first argument."""
_KEYLESS = ("PING", "ECHO", "TIME", "INFO", "ROLE", "CLUSTER", "CONFIG", "ACL")


@lru_cache(8192)
def slot_of(key: str) -> int:
    """Return the slot of a key: what stands between its first braces decides, if anything does."""
    first = key.find("{")
    last = key.find("}", first + 1)
    tag = key[first + 1 : last] if first >= 0 and last > first + 1 else key
    return binascii.crc_hqx(tag.encode(), 0) % SLOTS


def key_of(words: Words) -> str | None:
    """Return the key that decides where a command goes; None if any node will do."""
    name = words[0]
    if name in _KEYLESS:
        return None
    key = words[_KEY_AT.get(str(name), 1)]
    return key.decode() if isinstance(key, bytes) else str(key)


def redirect_of(answer: object, asked: Node) -> tuple[str, int, Node] | None:
    """Return where an answer sends its asker: `MOVED` for good or `ASK` this once, the slot, and the node."""
    words = str(answer).split() if isinstance(answer, ResponseError) else []
    if len(words) < 3 or words[0] not in ("MOVED", "ASK"):
        return None
    host, port = node_of(words[2])
    return words[0], int(words[1]), (host or asked[0], port)


class View:
    """What one node tells of the cluster."""

    def __init__(self, info: str, table: list[list[object]], asked: Node) -> None:
        facts = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
        self.epoch = int(facts.get("cluster_current_epoch", "0"))
        self.ranges = [
            (cast(int, first), cast(int, last), node)
            for first, last, master, *_ in table
            if (node := _told(cast("list[object]", master), asked)) is not None
        ]


class SlotMap:
    """Which node has which slot."""

    def __init__(self) -> None:
        self._owners: list[Node | None] = [None] * SLOTS
        self.nodes: tuple[Node, ...] = ()
        """Those that have slots."""

    def __getitem__(self, slot: int) -> Node | None:
        return self._owners[slot]

    def move(self, slot: int, node: Node) -> None:
        """One slot is elsewhere."""
        self._owners[slot] = node
        if node not in self.nodes:
            self.nodes = (*self.nodes, node)

    def take(self, views: list[View]) -> None:
        """Believe the view that knows of the latest vote: a node that was cut off still tells the last."""
        view = max(views, key=lambda view: view.epoch)
        self._owners = [None] * SLOTS
        for first, last, node in view.ranges:
            self._owners[first : last + 1] = [node] * (last + 1 - first)
        self.nodes = tuple(dict.fromkeys(node for _, _, node in view.ranges))


async def view_of(line: Line, asked: Node) -> View:
    """Ask one node. Raises OSError if it cannot tell."""
    info, table = await line.ask([("CLUSTER", "INFO"), ("CLUSTER", "SLOTS")])
    if not isinstance(info, bytes) or not isinstance(table, list):
        raise ConnectionError(f"{asked[0]}:{asked[1]} is no node of a cluster: {info}")
    return View(info.decode(), table, asked)


def _told(node: list[object], asked: Node) -> Node | None:
    host, port = node[:2]
    if host in (b"?", "?"):
        return None  # it does not know the name either
    # Empty: reach it as the one that was asked was reached.
    return (host.decode() if isinstance(host, bytes) and host else asked[0]), cast(int, port)
