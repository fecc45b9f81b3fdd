"""What the bus on Kafka does beside the contract for those who serve requests."""

from __future__ import annotations

import asyncio

import pytest

from adapters.bus import kafka
from adapters.bus.kafka import KafkaBus
from tests.adapters.bus.steps import fact, hand, session, something_waits


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
