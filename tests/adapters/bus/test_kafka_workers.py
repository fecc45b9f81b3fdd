"""What the bus on Kafka does beside the contract for those who serve requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.bus import kafka
from adapters.bus.kafka import KafkaBus
from adapters.bus.kafka_commits import CommitLog
from adapters.bus.kafka_records import CommitRecord, GivenBack, Taken
from adapters.bus.kafka_state import Verdict
from adapters.bus.port import BusUnavailable
from tests.adapters.bus.kafka_broker import KafkaBroker
from tests.adapters.bus.steps import fact, hand, session, something_waits


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


def lose(monkeypatch: pytest.MonkeyPatch, kind: type[CommitRecord], *, written: bool) -> list[CommitRecord]:
    """Have the first record of a kind go unanswered, written or not; return what was lost."""
    append, lost = CommitLog.append, list[CommitRecord]()

    async def unanswered_once(commits: CommitLog, partition: int, record: CommitRecord) -> Verdict:
        if lost or not isinstance(record, kind):
            return await append(commits, partition, record)
        lost.append(record)
        if written:
            await append(commits, partition, record)
        raise BusUnavailable("no answer")

    monkeypatch.setattr(CommitLog, "append", unanswered_once)
    return lost


@pytest.mark.parametrize("written", [True, False])
async def test_a_request_is_served_though_who_took_it_was_not_told_so(
    kafka_bus: KafkaBus, monkeypatch: pytest.MonkeyPatch, *, written: bool
) -> None:
    lost = lose(monkeypatch, Taken, written=written)
    await kafka_bus.request("rag", fact(session(), 1, "voice.rag.request"))
    delivery = await hand(kafka_bus.subscribe("rag", "w1"))
    assert delivery.attempts == (2 if written else 1)
    assert lost
    await delivery.ack()


async def test_a_request_that_could_not_be_given_back_is_tried_again(
    kafka_bus: KafkaBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = lose(monkeypatch, GivenBack, written=False)
    await kafka_bus.request("rag", fact(session(), 1, "voice.rag.request"))
    deliveries = kafka_bus.subscribe("rag", "w1")
    await (await hand(deliveries)).nack(0.0)
    assert lost
    delivery = await hand(deliveries)
    assert delivery.attempts == 2
    await delivery.ack()
