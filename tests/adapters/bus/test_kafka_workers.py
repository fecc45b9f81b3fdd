"""What the bus on Kafka does beside the contract for those who serve requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.bus import kafka
from adapters.bus.kafka import KafkaBus
from tests.adapters.bus.kafka_broker import KafkaBroker
from tests.adapters.bus.steps import ask, fact, hand, session, something_waits


@pytest.fixture
async def kafka_bus(kafka_broker: KafkaBroker) -> AsyncIterator[KafkaBus]:
    made = KafkaBus(kafka_broker.url, partitions=4, min_idle_s=0.3)
    await made.start()
    yield made
    await made.close()


async def test_a_request_that_follows_from_no_commit_reaches_one_worker_and_is_in_no_log(kafka_bus: KafkaBus) -> None:
    request = fact(session(), 1, "voice.tts.request")
    await kafka_bus.request("tts", request)
    deliveries = kafka_bus.subscribe("tts", "w1")
    delivery = await hand(deliveries)
    assert delivery.envelope == request
    await delivery.ack()
    assert not await something_waits(deliveries)
    assert await kafka_bus.replay(request.session_id) == []


async def test_such_a_request_is_forgotten_when_nobody_came_for_it(
    kafka_bus: KafkaBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "REQUEST_S", 0.1)
    await kafka_bus.request("tts", fact(session(), 1, "voice.tts.request"))
    await asyncio.sleep(0.2)
    assert not await something_waits(kafka_bus.subscribe("tts", "w1"))


async def test_what_a_living_worker_has_in_hand_is_kept_for_it(kafka_bus: KafkaBus) -> None:
    await ask(kafka_bus, fact(session(), 1, "voice.rag.request"))
    slow, other = kafka_bus.subscribe("rag", "slow"), kafka_bus.subscribe("rag", "other")
    delivery = await hand(slow)
    for _ in range(4):
        assert not await something_waits(other)
    slow.freeze()
    again = await hand(other)
    assert again.attempts == 2
    await again.ack()
    await delivery.dead_letter("settled by another already")
    assert await kafka_bus.dead_letters() == []


async def test_a_worker_that_leaves_gives_back_what_it_has(kafka_bus: KafkaBus) -> None:
    kafka_bus.min_idle_s = 60.0  # no silence is that long here
    await ask(kafka_bus, fact(session(), 1, "voice.rag.request"))
    leaving = kafka_bus.subscribe("rag", "leaving")
    await hand(leaving)
    await leaving.aclose()
    assert (await hand(kafka_bus.subscribe("rag", "staying"))).attempts == 2
    with pytest.raises(StopAsyncIteration):
        await anext(leaving)


async def test_whoever_waits_for_a_request_may_be_cancelled_and_loses_none(kafka_bus: KafkaBus) -> None:
    deliveries = kafka_bus.subscribe("rag", "w1")
    assert not await something_waits(deliveries)
    await ask(kafka_bus, fact(session(), 1, "voice.rag.request"))
    assert (await hand(deliveries)).envelope.payload["number"] == 1


async def test_what_ended_two_workers_is_taken_alone(kafka_bus: KafkaBus) -> None:
    await ask(kafka_bus, *(fact(session(), number, "voice.rag.request") for number in range(2)))
    for attempt in (1, 2):
        dying = kafka_bus.subscribe("rag", f"dying {attempt}")
        assert [(await hand(dying)).attempts for _ in range(2)] == [attempt] * 2
        dying.freeze()
    careful = kafka_bus.subscribe("rag", "careful")
    for _ in range(2):
        delivery = await hand(careful)
        assert delivery.attempts == 3
        assert not await something_waits(careful)
        await delivery.ack()


async def test_a_dead_letter_is_tried_again_once_or_dropped(kafka_bus: KafkaBus) -> None:
    await ask(kafka_bus, *(fact(session(), number, "voice.rag.request") for number in range(2)))
    deliveries = kafka_bus.subscribe("rag", "w1")
    letters = [await (await hand(deliveries)).dead_letter("cannot be answered") for _ in range(2)]
    assert sorted(map(str, await kafka_bus.dead_letters())) == sorted(map(str, letters))
    assert await kafka_bus.take_dead_letter(letters[0], retry=True)
    again = await hand(deliveries)
    assert (again.envelope.session_id, again.attempts) == (letters[0].session_id, 1)
    assert await kafka_bus.take_dead_letter(letters[1], retry=False)
    assert not await kafka_bus.take_dead_letter(letters[1], retry=True)
    assert await kafka_bus.dead_letters() == []
