"""The media lane on Redis: a stream a gateway for replies, a key a request for what it needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import msgspec
import structlog

from adapters.bus.port import BusUnavailable
from adapters.bus.redis_link import BLOCK_MS, Entry, Link, Outage
from adapters.lane.port import LANE_MESSAGES, LANE_S, LaneMessage

__all__ = ["RedisLane"]

_log = structlog.get_logger()

READ_MESSAGES = 100
RETRY_S = 0.1
_ENCODER = msgspec.msgpack.Encoder()
_MESSAGES = msgspec.msgpack.Decoder(LaneMessage)


class RedisLane:
    """The lane beside a bus, over connections of its own: half a megabyte of audio must not hold up a commit.

    Args:
        url: The server of the bus.
        outage: Shared with the bus, so that the log tells once that the server is away.
    """

    def __init__(self, url: str, outage: Outage) -> None:
        self._url = url
        self._outage = outage
        self._link = Link(url)

    async def offer(self, gateway: str, request_id: str, data: bytes, keep_s: float) -> None:
        keep_ms = round(min(keep_s, LANE_S) * 1000)
        await self._link.call("SET", _offered(gateway, request_id), data, "PX", max(1, keep_ms))

    async def withdraw(self, gateway: str, *request_ids: str) -> None:
        await self._link.call_all([("UNLINK", _offered(gateway, request_id)) for request_id in request_ids])

    async def take(self, gateway: str, request_id: str) -> bytes | None:
        taken = await self._link.call("GETEX", _offered(gateway, request_id), "PX", round(LANE_S * 1000))
        return cast("bytes | None", taken)

    async def send(self, gateway: str, message: LaneMessage) -> bool:
        lane = _lane(gateway)
        answers = await self._link.call_all(
            [
                # This is not the log: what nobody reads may go.
                ("XADD", lane, "MAXLEN", "~", LANE_MESSAGES, "*", "data", _ENCODER.encode(message)),
                ("PEXPIRE", lane, round(LANE_S * 1000)),
                ("EXISTS", _offered(gateway, message.request_id)),
            ]
        )
        return bool(answers[2])

    async def listen(self, gateway: str) -> AsyncIterator[LaneMessage]:
        reader, lane, position = Link(self._url, blocking=True), _lane(gateway), "0-0"
        try:
            while True:
                try:
                    found = await reader.read({lane: position}, READ_MESSAGES, BLOCK_MS)
                except BusUnavailable as error:
                    self._outage.began(lane, error)
                    await asyncio.sleep(RETRY_S)
                    continue
                self._outage.ended(lane)
                for _, entries in found:
                    for message in map(_message, entries):
                        if message is not None:
                            yield message
                    position = entries[-1].position
                    await self._forget(lane, entries)
        finally:
            self._outage.forget(lane)
            await reader.close()

    async def close(self) -> None:
        await self._link.close()

    async def _forget(self, lane: str, taken: list[Entry]) -> None:
        try:
            await self._link.call("XDEL", lane, *(entry.position for entry in taken))
        except BusUnavailable:
            # They expire with the lane.
            _log.debug("replies_not_deleted", replies=len(taken))


def _lane(gateway: str) -> str:
    return f"voice:audio:{gateway}"


def _offered(gateway: str, request_id: str) -> str:
    return f"voice:audio:{gateway}:{request_id}"


def _message(entry: Entry) -> LaneMessage | None:
    try:
        return _MESSAGES.decode(entry.data or b"")
    except ValueError:  # msgspec's errors are ValueErrors
        _log.warning("reply_unreadable", position=entry.position)
        return None
