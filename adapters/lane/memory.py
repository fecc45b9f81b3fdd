"""The media lane in one process's memory."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator

from adapters.lane.port import LANE_MESSAGES, LANE_S, LaneMessage

__all__ = ["MemoryLane"]


class MemoryLane:
    """Gateways and workers on one event loop share it."""

    def __init__(self) -> None:
        self._offered: dict[tuple[str, str], tuple[float, bytes]] = {}
        self._sent: dict[str, deque[tuple[float, LaneMessage]]] = defaultdict(lambda: deque(maxlen=LANE_MESSAGES))
        self._arrived: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def offer(self, gateway: str, request_id: str, data: bytes, keep_s: float) -> None:
        now = asyncio.get_running_loop().time()
        self._offered = {key: kept for key, kept in self._offered.items() if kept[0] > now}
        self._offered[gateway, request_id] = (now + min(keep_s, LANE_S), data)

    async def withdraw(self, gateway: str, *request_ids: str) -> None:
        for request_id in request_ids:
            self._offered.pop((gateway, request_id), None)

    async def take(self, gateway: str, request_id: str) -> bytes | None:
        if not self._wanted(gateway, request_id):
            return None
        _, data = self._offered[gateway, request_id]
        self._offered[gateway, request_id] = (asyncio.get_running_loop().time() + LANE_S, data)
        return data

    async def send(self, gateway: str, message: LaneMessage) -> bool:
        self._sent[gateway].append((asyncio.get_running_loop().time() + LANE_S, message))
        self._arrived[gateway].set()
        return self._wanted(gateway, message.request_id)

    async def listen(self, gateway: str) -> AsyncIterator[LaneMessage]:
        sent, arrived = self._sent[gateway], self._arrived[gateway]
        while True:
            while sent:
                until, message = sent.popleft()
                if until > asyncio.get_running_loop().time():
                    yield message
            arrived.clear()
            await arrived.wait()

    async def close(self) -> None:
        """It holds nothing."""

    def _wanted(self, gateway: str, request_id: str) -> bool:
        kept = self._offered.get((gateway, request_id))
        return kept is not None and kept[0] > asyncio.get_running_loop().time()
