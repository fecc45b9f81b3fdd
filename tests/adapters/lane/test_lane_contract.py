"""What every media lane promises to gateways and workers."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapters.bus.embedded_valkey import EmbeddedValkey
from adapters.bus.port import BusUnavailable
from adapters.bus.redis_link import Link
from adapters.bus.redis_streams import RedisStreamsBus
from adapters.lane.port import (
    LANE_MESSAGES,
    LANE_S,
    Alive,
    Failed,
    Finished,
    Heard,
    LaneMessage,
    MediaLane,
    Reply,
    Spoken,
)
from adapters.recognisers.port import Recognised
from adapters.voices.port import SpeechPiece, SpokenWord
from tests.adapters.bus.steps import WITHIN_S, something_waits

PIECE = SpeechPiece(pcm=bytes(range(256)) * 20, rate_hz=22_050, words=(SpokenWord(5, 0.25), SpokenWord(11, 0.5)))
WORDS = Recognised(text="what are your states", confidence=0.9, audio_s=1.5, took_s=0.2)


def message(number: int, request_id: str = "r1") -> LaneMessage:
    return LaneMessage(request_id, number, Spoken(PIECE))


async def arrived(messages: AsyncIterator[LaneMessage], count: int) -> list[LaneMessage]:
    async with asyncio.timeout(WITHIN_S):
        return [await anext(messages) for _ in range(count)]


async def test_replies_arrive_whole_and_in_order(lane: MediaLane) -> None:
    replies: list[Reply] = [Alive("w1"), Spoken(PIECE), Heard(WORDS), Failed("why", overloaded=True), Finished()]
    sent = [LaneMessage("r1", number, reply) for number, reply in enumerate(replies)]
    for one in sent[:2]:  # nobody listens yet
        await lane.send("g1", one)
    messages = lane.listen("g1")
    first = await arrived(messages, 2)
    waiting = asyncio.create_task(arrived(messages, 3))
    for one in sent[2:]:
        await lane.send("g1", one)
    assert first + await waiting == sent


async def test_each_gateway_has_a_lane_of_its_own(lane: MediaLane) -> None:
    await lane.send("g1", message(1))
    await lane.send("g2", message(2))
    assert [one.number for one in await arrived(lane.listen("g2"), 1)] == [2]
    assert [one.number for one in await arrived(lane.listen("g1"), 1)] == [1]
    assert not await something_waits(lane.listen("g3"))


@pytest.mark.parametrize("data", [b"", PIECE.pcm])
async def test_what_is_offered_is_there_until_it_is_withdrawn(lane: MediaLane, data: bytes) -> None:
    await lane.offer("g1", "r1", data, 30.0)
    assert await lane.take("g1", "r1") == data
    assert await lane.take("g2", "r1") is None
    assert await lane.send("g1", message(0))
    await lane.withdraw("g1", "r1", "never offered")
    assert await lane.take("g1", "r1") is None
    assert not await lane.send("g1", message(1))


async def test_what_is_offered_is_gone_after_its_time_unless_it_was_taken(lane: MediaLane) -> None:
    await lane.offer("g1", "taken", b"x", 0.2)
    await lane.offer("g1", "left", b"x", 0.2)
    assert await lane.take("g1", "taken") == b"x"
    await asyncio.sleep(0.4)
    assert await lane.take("g1", "left") is None
    assert await lane.send("g1", message(0, "taken"))


async def test_of_too_many_replies_the_oldest_go(lane: MediaLane) -> None:
    for start in range(0, 2 * LANE_MESSAGES, 50):
        await asyncio.gather(
            *(lane.send("g1", LaneMessage("r1", number, Finished())) for number in range(start, start + 50))
        )
    messages = lane.listen("g1")
    [first] = await arrived(messages, 1)
    assert 0 < first.number <= LANE_MESSAGES
    rest = await arrived(messages, 2 * LANE_MESSAGES - 1 - first.number)
    assert rest[-1].number == 2 * LANE_MESSAGES - 1


@pytest.fixture
async def redis_lane(valkey_url: str) -> AsyncIterator[tuple[MediaLane, Link]]:
    link = Link(valkey_url)
    await link.call("FLUSHALL")
    bus = RedisStreamsBus(valkey_url)
    yield bus.lane(), link
    await bus.close()
    await link.close()


async def ttls(link: Link) -> dict[str, object]:
    """Return the milliseconds that each key of the lane has left; -1: for ever."""
    keys = await link.call("KEYS", "voice:audio*")
    assert isinstance(keys, list)
    left = await link.call_all([("PTTL", key) for key in keys])
    return {key.decode(): ms for key, ms in zip(keys, left, strict=True)}


async def test_nothing_on_the_server_outlives_a_minute(redis_lane: tuple[MediaLane, Link]) -> None:
    lane, link = redis_lane
    request_id = str(uuid.uuid4())
    await lane.offer("g1", request_id, PIECE.pcm, 3600.0)
    await lane.send("g1", message(0, request_id))
    await lane.take("g1", request_id)
    left = await ttls(link)
    assert set(left) == {"voice:audio:g1", f"voice:audio:g1:{request_id}"}
    assert all(isinstance(ms, int) and 0 < ms <= LANE_S * 1000 for ms in left.values()), left


async def test_what_was_heard_is_off_the_server_at_once(redis_lane: tuple[MediaLane, Link]) -> None:
    lane, link = redis_lane
    messages = lane.listen("g1")
    for number in range(3):
        await lane.send("g1", message(number))
    await arrived(messages, 3)
    waiting = asyncio.create_task(arrived(messages, 1))
    async with asyncio.timeout(WITHIN_S):
        while await link.call("XLEN", "voice:audio:g1"):
            await asyncio.sleep(0.01)
    waiting.cancel()


async def test_what_is_no_reply_is_passed_over(redis_lane: tuple[MediaLane, Link]) -> None:
    lane, link = redis_lane
    await link.call("XADD", "voice:audio:g1", "*", "data", b"\xff\x00nonsense")
    await link.call("XADD", "voice:audio:g1", "*", "other", b"field")
    await lane.send("g1", message(7))
    with capture_logs() as logs:
        assert [one.number for one in await arrived(lane.listen("g1"), 1)] == [7]
    assert [line["event"] for line in logs] == ["reply_unreadable"] * 2


async def test_a_listener_goes_on_when_its_server_has_been_away(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path)
    bus = RedisStreamsBus(await asyncio.to_thread(server.start))
    lane = bus.lane()
    waiting = asyncio.create_task(arrived(lane.listen("g1"), 1))
    await asyncio.sleep(0.1)
    server.kill()
    with pytest.raises(BusUnavailable):
        await lane.send("g1", message(0))
    await asyncio.sleep(0.2)
    await asyncio.to_thread(server.start)
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                await lane.send("g1", message(1))
                break
            except BusUnavailable:
                await asyncio.sleep(0.05)
    assert [one.number for one in await waiting] == [1]
    await bus.close()
    await asyncio.to_thread(server.stop)
