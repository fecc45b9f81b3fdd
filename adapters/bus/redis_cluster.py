"""A cluster: each command goes to the node that has its key, and follows the key when it moves.

A command that a node refused because the key is elsewhere was not executed, so it is sent again, there. Nothing else
is: what timed out may have happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain

from redis.exceptions import ResponseError

from adapters.bus.redis_address import Address, Node
from adapters.bus.redis_cluster_reads import ClusterReads
from adapters.bus.redis_line import COMMAND_S, Line, Words, polled
from adapters.bus.redis_slots import SlotMap, claims_of, key_of, redirect_of, slot_of
from adapters.bus.redis_wire import Wire, open_wire

__all__ = ["Cluster"]

ROUNDS = 5
"""How often one command may be sent on: a slot may move again, and some keys of a script may come after others."""
PAUSE_S = 0.01
LOOK_EVERY_S = 0.1
"""Shortest time between two looks at the map: a node that is away makes every call to it fail."""


class Cluster:
    """A line to each node, and a map of who has what. Connects at its first command."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._map = SlotMap()
        self._lines: dict[Node, Line] = {}
        self._first_look = asyncio.Lock()
        self._looking: asyncio.Task[None] | None = None
        self._looked_at = 0.0
        self._reads = ClusterReads(self)

    async def ask(self, commands: Sequence[Words]) -> list[object]:
        """Send commands, those to one node at once; see `Lines.ask`. Those for one slot keep their order."""
        deadline = asyncio.get_running_loop().time() + COMMAND_S
        await self.know()
        answers: list[object] = [TimeoutError(f"no answer within {COMMAND_S:.1f} s")] * len(commands)
        sent_on: dict[int, Node] = {}
        left: Sequence[int] = range(len(commands))
        for tried in range(ROUNDS):
            left_s = deadline - asyncio.get_running_loop().time()
            if left_s <= 0:
                break
            await self._ask_nodes(commands, self._by_node(commands, left, sent_on), answers, left_s)
            left, sent_on = self._to_send_on(commands, left, answers, sent_on)
            if not left:
                break
            if not sent_on:
                await asyncio.sleep(PAUSE_S * 2**tried)
        return answers

    async def read(self, head: Words, streams: Mapping[str, str], block_ms: int) -> list[object]:
        """Read streams from positions on, each over its own connection: one read over two slots is refused."""
        return await self._reads.read(head, streams, block_ms)

    def hang_up(self) -> None:
        """Look at the map again; lines are given up one by one, where they fail."""
        self.look()

    async def close(self) -> None:
        # Whoever closes may be cancelled here: nothing must stay open then.
        self._reads.hang_up()
        for line in self._lines.values():
            line.hang_up()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await self._reads.close()
        for line in self._lines.values():
            await line.close()

    # --- the map

    async def know(self) -> None:
        """Have a map. Raises OSError if no node tells it."""
        if not self._map.nodes:
            async with asyncio.timeout(COMMAND_S), self._first_look:
                if not self._map.nodes:
                    await self._look()

    def owner(self, key: str) -> Node | None:
        """Return the node that has a key, as far as is known."""
        return self._map[slot_of(key)]

    def follow(self, answer: object, asked: Node) -> tuple[str, Node] | None:
        """Return whether an answer says MOVED or ASK, and where to; what has moved is remembered."""
        redirect = redirect_of(answer, asked)
        if redirect is None:
            return None
        kind, slot, node = redirect
        if kind == "MOVED":
            self._map.move(slot, node)
            self.look()
        return kind, node

    def look(self) -> None:
        """Ask the nodes again who has what, meanwhile going on with what is known."""
        now = asyncio.get_running_loop().time()
        if (self._looking is None or self._looking.done()) and now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            self._looking = asyncio.create_task(self._look_again(), name="cluster-map")

    async def dial(self, node: Node) -> Wire:
        """Connect to one node."""
        return await open_wire(self._address.at(node))

    async def _look_again(self) -> None:
        try:
            await self._look()
        except OSError:
            self._looked_at = asyncio.get_running_loop().time()  # whoever asks next is told, and looks again

    async def _look(self) -> None:
        told, trouble = await polled(claims_of(self._line(node), node) for node in self._map.nodes)
        if not told:
            told, trouble = await polled(claims_of(self._line(node), node) for node in self._address.nodes)
        if not told:
            raise trouble[0]
        self._map.take(chain.from_iterable(told))
        kept = {*self._map.nodes, *self._address.nodes}
        for node in [node for node in self._lines if node not in kept]:
            self._lines.pop(node).hang_up()

    # --- asking

    def _line(self, node: Node) -> Line:
        if node not in self._lines:
            self._lines[node] = Line(partial(self.dial, node))
        return self._lines[node]

    def _by_node(
        self, commands: Sequence[Words], left: Sequence[int], sent_on: Mapping[int, Node]
    ) -> dict[tuple[Node | None, bool], list[int]]:
        """Sort commands by the node they go to, and whether it must be told that it is asked as an exception."""
        sorted_out: dict[tuple[Node | None, bool], list[int]] = {}
        for index in left:
            key = key_of(commands[index])
            node = sent_on.get(index) or (self._map.nodes[0] if key is None else self.owner(key))
            sorted_out.setdefault((node, index in sent_on), []).append(index)
        return sorted_out

    async def _ask_nodes(
        self,
        commands: Sequence[Words],
        groups: Mapping[tuple[Node | None, bool], Sequence[int]],
        answers: list[object],
        limit_s: float,
    ) -> None:
        async def ask(node: Node | None, exception: bool, indices: Sequence[int]) -> None:
            words = [commands[index] for index in indices]
            for index, answer in zip(indices, await self._ask_node(node, words, exception, limit_s), strict=True):
                answers[index] = answer

        if len(groups) == 1:
            [((node, exception), indices)] = groups.items()
            await ask(node, exception, indices)
        else:
            await asyncio.gather(*(ask(*group, indices) for group, indices in groups.items()))

    async def _ask_node(
        self, node: Node | None, commands: Sequence[Words], exception: bool, limit_s: float
    ) -> Sequence[object]:
        if node is None:
            self.look()
            return [ResponseError("CLUSTERDOWN no node has this slot")] * len(commands)
        told = [words for command in commands for words in (("ASKING",), command)] if exception else commands
        try:
            answers = await self._line(node).ask(told, limit_s)
        except OSError as error:
            self.look()
            return [ConnectionError(f"{node[0]}:{node[1]}: {error}")] * len(commands)
        return answers[1::2] if exception else answers

    def _to_send_on(
        self, commands: Sequence[Words], left: Sequence[int], answers: Sequence[object], sent_on: Mapping[int, Node]
    ) -> tuple[list[int], dict[int, Node]]:
        """Return which commands were refused because their keys are elsewhere, and where to ask as an exception."""
        again: list[int] = []
        asked: dict[int, Node] = {}
        for index in left:
            answer = answers[index]
            if not isinstance(answer, ResponseError):
                continue
            told = str(answer)
            if told.startswith(("CLUSTERDOWN", "READONLY", "MASTERDOWN")):
                self.look()
            elif told.startswith("TRYAGAIN"):
                again.append(index)
            elif told.startswith(("MOVED", "ASK")):
                key = key_of(commands[index])
                node = sent_on.get(index) or (self.owner(key) if key is not None else None) or self._address.nodes[0]
                if (redirect := self.follow(answer, node)) is not None:
                    again.append(index)
                    if redirect[0] == "ASK":
                        asked[index] = redirect[1]
        return again, asked
