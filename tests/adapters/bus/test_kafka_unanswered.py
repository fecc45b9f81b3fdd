"""What the bus on Kafka does when a broker does not answer once: whoever wrote does not know whether it is written."""

from __future__ import annotations

import pytest

from adapters.bus.kafka import KafkaBus
from adapters.bus.kafka_commits import CommitLog
from adapters.bus.kafka_records import Claimed, CommitRecord, GivenBack, Released, Taken
from adapters.bus.kafka_state import Verdict
from adapters.bus.port import BusUnavailable
from tests.adapters.bus.steps import fact, hand, has_entries, next_of, owning, session


def leave_unanswered(monkeypatch: pytest.MonkeyPatch, kind: type[CommitRecord], *, written: bool) -> list[CommitRecord]:
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
    lost = leave_unanswered(monkeypatch, Taken, written=written)
    await kafka_bus.request("rag", fact(session(), 1, "voice.rag.request"))
    delivery = await hand(kafka_bus.subscribe("rag", "w1"))
    assert delivery.attempts == (2 if written else 1)
    assert lost
    await delivery.ack()


async def test_a_request_that_could_not_be_given_back_is_tried_again(
    kafka_bus: KafkaBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = leave_unanswered(monkeypatch, GivenBack, written=False)
    await kafka_bus.request("rag", fact(session(), 1, "voice.rag.request"))
    deliveries = kafka_bus.subscribe("rag", "w1")
    await (await hand(deliveries)).nack(0.0)
    assert lost
    delivery = await hand(deliveries)
    assert delivery.attempts == 2
    await delivery.ack()


@pytest.mark.parametrize("written", [True, False])
async def test_a_partition_is_owned_though_who_claimed_it_was_not_told_so(
    kafka_bus: KafkaBus, monkeypatch: pytest.MonkeyPatch, *, written: bool
) -> None:
    lost = leave_unanswered(monkeypatch, Claimed, written=written)
    owner, _, batch = await owning(kafka_bus, fact(session(), 1))
    assert lost
    assert batch.lease in owner.leases
    await owner.close()


@pytest.mark.parametrize("written", [True, False])
async def test_a_partition_that_was_given_back_without_an_answer_is_owned_by_the_next(
    kafka_bus: KafkaBus, monkeypatch: pytest.MonkeyPatch, *, written: bool
) -> None:
    owner, _, _ = await owning(kafka_bus, fact(session(), 1))
    lost = leave_unanswered(monkeypatch, Released, written=written)
    await owner.close()
    assert lost
    heir = kafka_bus.own("heir")
    assert await next_of(heir.batches(), has_entries)
    await heir.close()
