from __future__ import annotations

import asyncio

from adapters.media.port import Mark, MediaLost
from adapters.media.webrtc_outbox import MAX_MARKS, Outbox

STOP: dict[str, object] = {"type": "playout", "payload": {"action": "stop", "turn": 1}}


def mark(rtp: int) -> Mark:
    return Mark(turn=1, kind="answer", edge="start", rtp=rtp)


async def test_a_playout_message_is_sent_behind_earlier_marks_and_before_send_returns() -> None:
    sent: list[object] = []

    async def slow(message: dict[str, object]) -> None:
        await asyncio.sleep(0)
        sent.append(message["type"])

    outbox = Outbox(slow, sent.append)
    delivering = asyncio.create_task(outbox.deliver_marks())
    outbox.post(mark(1))
    await asyncio.sleep(0)
    outbox.post(mark(2))
    await outbox.send(STOP)
    assert sent == ["mark", "mark", "playout"]
    delivering.cancel()
    await asyncio.wait([delivering])


async def test_a_client_that_takes_nothing_is_given_up_instead_of_filling_memory() -> None:
    lost: list[str] = []

    async def stuck(message: dict[str, object]) -> None:
        await asyncio.Event().wait()

    outbox = Outbox(stuck, lost.append)
    for rtp in range(MAX_MARKS + 1):
        outbox.post(mark(rtp))
    assert lost == [f"the client leaves {MAX_MARKS} marks untaken"]


async def test_a_broken_way_to_the_client_gives_it_up() -> None:
    lost: list[str] = []

    async def broken(message: dict[str, object]) -> None:
        raise MediaLost("no way")

    await Outbox(broken, lost.append).send(STOP)
    assert lost == ["no way"]
