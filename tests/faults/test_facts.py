"""Facts and requests that come twice, from the future, or are gone from under those who wait."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable

import pytest

from adapters.bus.port import partition_of
from adapters.bus.redis_link import Link
from adapters.bus.redis_scripts import ACQUIRE
from adapters.bus.redis_streams import RedisStreamsBus
from statecharts.events import SttFinal
from tests.adapters.bus.steps import WITHIN_S, ask, everything, fact, hand, session
from tests.app.harness import harness

RACES, RACERS = 1000, 5


@pytest.mark.fault(20)
async def test_of_those_who_claim_a_partition_at_once_one_gets_it(
    log_url: str, log_link: Link, measured: Callable[[str], None]
) -> None:
    links = [Link(log_url) for _ in range(RACERS)]
    epochs: list[int] = []
    for race in range(RACES):
        lease = f"voice:lease:{{p{race % 16:02d}}}"
        claims = [link.script(ACQUIRE, [lease, f"{lease}:epoch"], f"racer-{n}", 60_000) for n, link in enumerate(links)]
        won = [epoch for epoch in await asyncio.gather(*claims) if epoch]
        assert len(won) == 1
        if race % 16 == 0:
            epochs += [epoch for epoch in won if isinstance(epoch, int)]
        await log_link.call("DEL", lease)
    assert epochs == sorted(set(epochs)), "no epoch was had twice"
    measured(f"{RACES} races of {RACERS}, one winner each")
    for link in links:
        await link.close()


@pytest.mark.fault(21)
async def test_a_fact_that_is_published_three_times_is_acted_on_once(measured: Callable[[str], None]) -> None:
    async with harness() as made:
        event_id = str(uuid.uuid4())
        for _ in range(3):
            await made.emit(SttFinal(text="how old is the bridge", origin="typed", event_id=event_id))
        record = await made.state("THINKING")
        assert await made.until_dropped(2) == ["seen before", "seen before"]
        assert (await made.record()).context.turn == record.context.turn == 1
        measured("3 published, 1 acted on, 2 dropped as copies")


@pytest.mark.fault(10)
async def test_a_request_that_a_stranger_trimmed_away_holds_up_no_later_one(
    log_bus: RedisStreamsBus, log_link: Link, measured: Callable[[str], None]
) -> None:
    gone, later = fact(session(), 1, "voice.rag.request"), fact(session(), 2, "voice.rag.request")
    stream = f"voice:tasks:rag:{{p{partition_of(gone.session_id, 4):02d}}}"
    await ask(log_bus, gone)
    dead = aiter(log_bus.subscribe("rag", "dead"))
    assert (await hand(dead)).envelope.event_id == gone.event_id
    await log_link.call("XTRIM", stream, "MAXLEN", 0)
    heir = aiter(log_bus.subscribe("rag", "heir"))
    began = time.monotonic()
    await ask(log_bus, later)
    taken = await hand(heir)
    assert taken.envelope.event_id == later.event_id
    await taken.ack()
    measured(f"the next request was served after {time.monotonic() - began:.2f} s")


@pytest.mark.fault(34)
async def test_an_entry_from_the_future_leaves_the_order_as_it_is(
    log_bus: RedisStreamsBus, log_link: Link, measured: Callable[[str], None]
) -> None:
    session_id = session()
    stream = f"voice:events:{{p{partition_of(session_id, 4):02d}}}"
    [first] = await log_bus.publish(fact(session_id, 1))
    in_an_hour = round((time.time() + 3600) * 1000)
    await log_link.call("XADD", stream, f"{in_an_hour}-0", "data", b"{}")
    await log_bus.publish(*(fact(session_id, number) for number in (2, 3)))
    entries = await log_bus.replay(session_id, first)
    assert [entry.envelope.payload["number"] for entry in entries if entry.envelope] == [2, 3]
    owner = log_bus.own("one")
    async with asyncio.timeout(WITHIN_S):
        taken = await everything(owner, owner.batches(), 3)
    assert [envelope.payload["number"] for _, envelope in taken] == [1, 2, 3]
    await owner.close()
    measured("an entry of an hour ahead, and what follows it is read in order")
