"""What every bus promises to workers and gateways."""

from __future__ import annotations

import asyncio
import time

from adapters.bus.port import REQUEST_S, Command, Subscription, partition_of
from adapters.bus.redis_link import Link
from adapters.bus.redis_streams import RedisStreamsBus
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
    await deliveries.aclose()


async def test_the_request_of_a_dead_worker_is_handed_to_another(bus: Bus) -> None:
    await ask(bus, fact(session(), 1, "voice.rag.request"))
    dead = bus.subscribe("rag", "dead")
    await hand(dead)
    await dead.aclose()
    delivery = await hand(bus.subscribe("rag", "alive"))
    assert delivery.attempts == 2
    await delivery.ack()


async def test_a_request_stays_with_its_worker_however_long_it_takes(bus: Bus) -> None:
    await ask(bus, fact(session(), 1, "voice.rag.request"))
    slow, other = bus.subscribe("rag", "slow"), bus.subscribe("rag", "other")
    delivery = await hand(slow)
    began = time.monotonic()
    while time.monotonic() - began < 4 * bus.min_idle_s:
        assert not await something_waits(other)
    await delivery.ack()
    assert not await something_waits(other)


async def test_what_a_worker_that_leaves_has_in_hand_is_for_the_others_at_once(bus: Bus) -> None:
    await ask(bus, *(fact(session(), number, "voice.rag.request") for number in range(3)))
    bus.min_idle_s = 60.0  # no silence is that long here
    leaving = bus.subscribe("rag", "leaving")
    for _ in range(3):
        await hand(leaving)
    await leaving.aclose()
    bus.min_idle_s = 0.3
    staying = bus.subscribe("rag", "staying")
    assert {(await hand(staying)).envelope.payload["number"] for _ in range(3)} == {0, 1, 2}


async def test_what_a_frozen_worker_has_in_hand_is_taken_and_not_taken_back_when_it_wakes(bus: Bus) -> None:
    await ask(bus, fact(session(), 1, "voice.rag.request"))
    frozen, other = bus.subscribe("rag", "frozen"), bus.subscribe("rag", "other")
    late = await hand(frozen)
    frozen.freeze()
    delivery = await hand(other)
    assert delivery.attempts == 2
    assert not await something_waits(frozen)
    await late.ack()
    await delivery.dead_letter("settled by another already")
    assert await bus.dead_letters() == []


async def test_what_was_given_back_by_a_frozen_worker_stays_with_who_has_taken_it(bus: Bus) -> None:
    await ask(bus, fact(session(), 1, "voice.rag.request"))
    frozen, other = bus.subscribe("rag", "frozen"), bus.subscribe("rag", "other")
    late = await hand(frozen)
    frozen.freeze()
    delivery = await hand(other)
    await late.nack(0.0)
    assert not await something_waits(frozen)
    await delivery.ack()


async def test_what_ended_two_workers_is_handed_out_alone_and_takes_no_other_with_it(bus: Bus) -> None:
    await ask(bus, *(fact(session(), number, "voice.rag.request") for number in range(3)))
    for attempt in (1, 2):
        dying = bus.subscribe("rag", f"dying {attempt}")
        assert [(await hand(dying)).attempts for _ in range(3)] == [attempt] * 3
        dying.freeze()
    careful = bus.subscribe("rag", "careful")
    for _ in range(3):
        delivery = await hand(careful)
        assert delivery.attempts == 3
        assert not await something_waits(careful)
        await delivery.ack()


async def test_a_request_that_ended_three_workers_is_known_by_its_count(bus: Bus) -> None:
    await ask(bus, fact(session(), 1, "voice.rag.request"))
    for attempt in (1, 2, 3):
        dying = bus.subscribe("rag", f"dying {attempt}")
        assert (await hand(dying)).attempts == attempt
        dying.freeze()
    assert (await hand(bus.subscribe("rag", "last"))).attempts == 4


async def test_whoever_waits_for_a_request_may_be_cancelled_and_ask_again(bus: Bus) -> None:
    deliveries = bus.subscribe("rag", "w1")
    assert not await something_waits(deliveries)
    request = fact(session(), 1, "voice.rag.request")
    await ask(bus, request)
    assert (await hand(deliveries)).envelope.event_id == request.event_id


async def test_a_dead_letter_is_listed_and_tried_again_once(bus: Bus) -> None:
    requests = [fact(session(), number, "voice.rag.request") for number in range(2)]
    await ask(bus, *requests)
    deliveries = bus.subscribe("rag", "w1")
    for _ in requests:
        delivery = await hand(deliveries)
        await delivery.dead_letter(f"cannot be answered: {delivery.envelope.payload['number']}")
    letters = await bus.dead_letters()
    assert sorted(str(letter.payload["error"])[-1] for letter in letters) == ["0", "1"]
    [letter] = [letter for letter in letters if letter.session_id == requests[0].session_id]
    assert await bus.take_dead_letter(letter, retry=True)
    again = await hand(deliveries)
    assert (again.envelope.event_id, again.attempts) == (requests[0].event_id, 1)
    assert again.envelope.payload == requests[0].payload
    await again.ack()
    assert [left.session_id for left in await bus.dead_letters()] == [requests[1].session_id]
    assert not await bus.take_dead_letter(letter, retry=True), "it was taken"
    assert not await something_waits(deliveries)


async def test_a_dead_letter_is_tried_again_whatever_owner_has_asked_since(bus: Bus) -> None:
    session_id = session()
    await ask(bus, fact(session_id, 1, "voice.rag.request"))
    deliveries = bus.subscribe("rag", "w1")
    await (await hand(deliveries)).dead_letter("cannot be answered")
    await ask(bus, fact(session_id, 2, "voice.rag.request"))  # by another owner, of a higher epoch
    await (await hand(deliveries)).ack()
    [letter] = await bus.dead_letters()
    assert await bus.take_dead_letter(letter, retry=True)
    assert (await hand(deliveries)).envelope.payload["number"] == 1


async def test_a_dead_letter_that_is_dropped_is_gone(bus: Bus) -> None:
    await ask(bus, fact(session(), 1, "voice.rag.request"))
    deliveries = bus.subscribe("rag", "w1")
    letter = await (await hand(deliveries)).dead_letter("cannot be answered")
    assert await bus.take_dead_letter(letter, retry=False)
    assert await bus.dead_letters() == []
    assert not await something_waits(deliveries)
    assert not await bus.take_dead_letter(letter, retry=False)


async def test_a_request_that_fails_every_time_is_put_aside_in_the_end(bus: Bus) -> None:
    session_id = session()
    await ask(bus, fact(session_id, 1, "voice.rag.request"))
    deliveries: Subscription = bus.subscribe("rag", "w1")
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


async def test_a_request_of_nobodys_lease_reaches_one_worker_of_its_kind(bus: Bus) -> None:
    asked = [fact(session(), number, "voice.tts.request") for number in range(8)]
    for request in asked:
        await bus.request("tts", request)
    deliveries, other = bus.subscribe("tts", "w1"), bus.subscribe("stt", "w2")
    handed = [await hand(deliveries) for _ in asked]
    for delivery in handed:
        await delivery.ack()
    assert {delivery.envelope.event_id for delivery in handed} == {request.event_id for request in asked}
    assert not await something_waits(deliveries)
    assert not await something_waits(other)


async def test_requests_of_nobodys_lease_are_no_part_of_the_log(bus: Bus) -> None:
    session_id = session()
    await bus.request("tts", fact(session_id, 1, "voice.tts.request"))
    assert await bus.replay(session_id) == []


async def test_workers_go_on_after_their_requests_have_expired(redis_bus: RedisStreamsBus, link: Link) -> None:
    deliveries, request = redis_bus.subscribe("tts", "w1"), fact(session(), 1, "voice.tts.request")
    await redis_bus.request("tts", request)
    await (await hand(deliveries)).ack()
    stream = f"voice:tasks:tts:{{p{partition_of(request.session_id, redis_bus.partitions):02d}}}"
    left_ms = await link.call("PTTL", stream)
    assert isinstance(left_ms, int)
    assert 0 < left_ms <= REQUEST_S * 1000
    waiting = asyncio.create_task(hand(deliveries))
    await asyncio.sleep(0.05)
    await link.call("PEXPIRE", stream, 1)
    await asyncio.sleep(0.05)
    await redis_bus.request("tts", request)
    await (await waiting).ack()
