"""What every bus promises to workers and gateways."""

from __future__ import annotations

import asyncio
import time

from adapters.bus.port import Command
from tests.adapters.bus.steps import (
    WITHIN_S,
    Bus,
    ask,
    commit_of,
    dead_letters,
    end,
    fact,
    hand,
    has_entries,
    next_of,
    session,
    something_waits,
)  # fmt: skip


async def test_workers_of_a_kind_share_its_requests(bus: Bus) -> None:
    await ask(bus, *(fact(session(), number, "voice.rag.request") for number in range(20)))
    served: dict[str, list[object]] = {"a": [], "b": []}

    async def work(name: str) -> None:
        async for delivery in bus.subscribe("rag", name):
            served[name].append(delivery.envelope.payload["number"])
            await delivery.ack()
            await asyncio.sleep(0.01)

    workers = [asyncio.create_task(work(name)) for name in served]
    async with asyncio.timeout(WITHIN_S):
        while sum(map(len, served.values())) < 20:
            await asyncio.sleep(0.01)
    await end(*workers)
    assert sorted(served["a"] + served["b"], key=str) == sorted(range(20), key=str)
    assert served["a"]
    assert served["b"]


async def test_a_request_given_back_is_handed_out_again_and_counted(bus: Bus) -> None:
    await ask(bus, fact(session(), 1, "voice.rag.request"))
    deliveries = bus.subscribe("rag", "w1")
    for attempt in (1, 2, 3):
        delivery = await hand(deliveries)
        assert delivery.attempts == attempt
        began = time.monotonic()
        if attempt < 3:
            await delivery.nack(0.1)
    assert time.monotonic() - began < WITHIN_S
    await delivery.ack()
    await deliveries.aclose()  # type: ignore[attr-defined]  # every bus yields from a generator


async def test_the_request_of_a_dead_worker_is_handed_to_another(bus: Bus) -> None:
    await ask(bus, fact(session(), 1, "voice.rag.request"))
    dead = bus.subscribe("rag", "dead")
    await hand(dead)
    await dead.aclose()  # type: ignore[attr-defined]  # as above
    delivery = await hand(bus.subscribe("rag", "alive"))
    assert delivery.attempts == 2
    await delivery.ack()


async def test_a_request_that_fails_every_time_is_put_aside_in_the_end(bus: Bus) -> None:
    session_id = session()
    await ask(bus, fact(session_id, 1, "voice.rag.request"))
    deliveries = bus.subscribe("rag", "w1")
    async with asyncio.timeout(WITHIN_S):
        while (delivery := await anext(deliveries)).attempts < 3:
            await delivery.nack(0.01)
    await delivery.dead_letter("failed three times")
    [letter] = await dead_letters(bus, session_id)
    assert letter.payload["attempts"] == 3
    assert not await something_waits(deliveries)


async def test_a_request_put_aside_is_kept_with_its_error_and_not_handed_out_again(bus: Bus) -> None:
    session_id = session()
    request = fact(session_id, 1, "voice.rag.request")
    await ask(bus, request, fact(session_id, 2, "voice.rag.request"))
    deliveries = bus.subscribe("rag", "w1")
    await (await hand(deliveries)).dead_letter("cannot be answered")
    following = await hand(deliveries)
    assert following.envelope.payload["number"] == 2
    await following.ack()
    letters = await dead_letters(bus, session_id)
    assert [letter.event_type for letter in letters] == ["voice.dlq.added"]
    assert letters[0].payload["error"] == "cannot be answered"
    assert letters[0].payload["attempts"] == 1


async def test_commands_reach_their_gateway_in_order_and_no_other(bus: Bus) -> None:
    session_id = session()
    owner = bus.own("one")
    batches = owner.batches()
    for number in range(5):
        await bus.publish(fact(session_id, number))
        batch = await next_of(batches, has_entries)
        command = Command(session_id=session_id, effects=[{"number": number}])
        other = Command(session_id=session_id, effects=[{"other": number}])
        await owner.commit(batch.lease, commit_of(batch, session_id, commands=[("mine", command), ("theirs", other)]))
    heard = []
    async with asyncio.timeout(WITHIN_S):
        async for command in bus.listen("mine"):
            heard.append(command.effects[0]["number"])
            if len(heard) == 5:
                break
    assert heard == [0, 1, 2, 3, 4]
    await owner.close()
