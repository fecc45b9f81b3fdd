"""Which node of a cluster has which key, as the nodes tell (Redis Cluster specification)."""

from __future__ import annotations

import binascii
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple, cast

from redis.exceptions import ResponseError

from adapters.bus.redis_address import Node, node_of
from adapters.bus.redis_line import Line, Words

__all__ = ["Claim", "SlotMap", "claims_of", "key_of", "redirect_of", "slot_of"]

SLOTS = 16384
_UNKNOWN = -1
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


class Claim(NamedTuple):
    """What one node tells of some slots."""

    epoch: int
    """Of the owner's configuration: of two who claim a slot, the one with the later epoch has it."""
    first: int
    last: int
    owner: Node


class SlotMap:
    """Which node has which slot."""

    def __init__(self) -> None:
        self._owners: list[Node | None] = [None] * SLOTS
        self._epochs = [_UNKNOWN] * SLOTS
        self.nodes: tuple[Node, ...] = ()
        """Those that have slots."""

    def __getitem__(self, slot: int) -> Node | None:
        return self._owners[slot]

    def move(self, slot: int, node: Node) -> None:
        """One slot is elsewhere, as the node says that we took for its owner."""
        self._owners[slot], self._epochs[slot] = node, _UNKNOWN
        if node not in self.nodes:
            self.nodes = (*self.nodes, node)

    def take(self, claims: Iterable[Claim]) -> None:
        """Believe the latest claim to each slot, and none that is older than what was believed before.

        A node that stood still takes itself for the owner until the others have told it otherwise, and so do those who
        voted for its heir and have not heard of the outcome: what went there would be lost.
        """
        owners: list[Node | None] = [None] * SLOTS
        epochs = [_UNKNOWN] * SLOTS
        for epoch, first, last, owner in sorted(claims):
            owners[first : last + 1] = [owner] * (last + 1 - first)
            epochs[first : last + 1] = [epoch] * (last + 1 - first)
        for slot, (known, told) in enumerate(zip(self._epochs, epochs, strict=True)):
            if told < known:
                owners[slot], epochs[slot] = self._owners[slot], known
        self._owners, self._epochs = owners, epochs
        self.nodes = tuple(dict.fromkeys(node for node in owners if node is not None))


async def claims_of(line: Line, asked: Node) -> list[Claim]:
    """Ask one node who has what. Raises OSError if it cannot tell."""
    nodes, table = await line.ask([("CLUSTER", "NODES"), ("CLUSTER", "SLOTS")])
    if not isinstance(nodes, bytes) or not isinstance(table, list):
        raise ConnectionError(f"{asked[0]}:{asked[1]} is no node of a cluster: {nodes}")
    # A line: id, address, flags, master, ping, pong, epoch, link, slots.
    epochs = {words[0]: int(words[6]) for line in nodes.decode().splitlines() if len(words := line.split()) > 6}
    return [
        Claim(epochs.get(_name(master), 0), cast(int, first), cast(int, last), owner)
        for first, last, master, *_ in table
        if (owner := _told(cast("list[object]", master), asked)) is not None
    ]


def _name(node: object) -> str:
    """Return a node's id, the third thing that is told of it."""
    return cast(bytes, cast("list[object]", node)[2]).decode()


def _told(node: list[object], asked: Node) -> Node | None:
    host, port = node[:2]
    if host in (b"?", "?"):
        return None  # it does not know the name either
    # Empty: reach it as the one that was asked was reached.
    return (host.decode() if isinstance(host, bytes) and host else asked[0]), cast(int, port)
