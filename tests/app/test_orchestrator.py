"""What the orchestrator does with the log: fold once, commit whole, keep time, tell everybody."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator

import msgspec
import pytest

from adapters.answers.port import Judgement, Sentence
from adapters.bus.memory import MemoryBus
from adapters.bus.port import LogEntry
from app.folding import Conversation, Folded, JournalRecord
from app.observability import EventFigures
from app.orchestrator import Orchestrator
from app.recording import logged_events, turns
from app.workers import Worker, answer_requests, classify_requests
from statecharts.delivery import MAX_ATTEMPTS
from statecharts.effects import Drop
from statecharts.events import (
    MOVED,
    Connected,
    Disconnected,
    Envelope,
    IntentDetected,
    PlaybackDone,
    SessionEnded,
    SpeechStarted,
    SpeechStopped,
    SttFinal,
    TtsChunkReady,
    TtsDone,
    to_envelope,
)
from statecharts.phrases import Phrases
from statecharts.policy import Policy
from tests.app.harness import Harness, harness


class Questions:
    """Takes everything for a question; "poison" breaks it."""

    def classify(self, text: str) -> Judgement:
        if "poison" in text:
            raise ZeroDivisionError(text)
        return Judgement(intent="question", confidence=0.9)


class TwoSentences:
    """Knows one answer; "poison" breaks it, "never" is answered never."""

    async def answer(self, text: str) -> AsyncIterator[Sentence]:
        if "poison" in text:
            raise ZeroDivisionError(text)
        if text == "never":
            await asyncio.Event().wait()
        yield Sentence(text="It opened in 1883.", source="bridge.md", score=0.9)
        yield Sentence(text="It is long.", source="bridge.md", score=0.8, is_final=True)


async def with_workers(made: Harness) -> list[asyncio.Task[None]]:
    return [
        asyncio.create_task(Worker(made.bus, "intent", "i1", classify_requests(Questions())).run()),
        asyncio.create_task(Worker(made.bus, "rag", "r1", answer_requests(TwoSentences())).run()),
    ]


async def end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_same_event_twice_is_acted_on_once() -> None:
    async with harness() as made:
        event_id = str(uuid.uuid4())
        for _ in range(2):
            await made.emit(SttFinal(text="hello", event_id=event_id))
        record = await made.state("THINKING")
        assert record.context.turn == 1
        drops = [envelope for envelope in made.emitted("orchestrator") if envelope.event_type.endswith("drop")]
        assert drops[-1].payload["reason"] == "seen before"
        assert drops[-1].payload["event_id"] == event_id


async def test_workers_answer_and_a_turn_is_told_with_its_stages() -> None:
    async with harness() as made:
        workers = await with_workers(made)
        await made.emit(SttFinal(text="how old is the bridge", origin="typed"))
        await made.until(lambda record: record.context.speech is not None and record.context.speech.composed)
        for number in (1, 2):
            await made.emit(TtsChunkReady(turn=1, audio_ms=1000, request_id=f"1.answer.{number}"))
        await made.emit(TtsDone(turn=1))
        await made.state("SPEAKING")
        await made.emit(PlaybackDone(turn=1, played_s=1.0))
        await made.state("LISTENING")
        told = await turns(made.bus, made.session_id)
        assert len(told) == 1
        assert told[0].user_text == "how old is the bridge"
        assert told[0].answer_text == "It opened in 1883. It is long."
        assert told[0].heard_text == "It opened in 1883."
        assert {"end_of_turn", "final_text", "intent", "first_answer", "first_audio"} <= set(told[0].stages)
        await end(*workers)


async def test_an_answer_that_takes_its_time_holds_up_nobody_else() -> None:
    async with harness() as made:
        workers = await with_workers(made)
        await made.emit(SttFinal(text="never", origin="typed"))
        await made.state("THINKING")
        await made.emit(SttFinal(text="how old is the bridge", origin="typed"))
        await made.until(lambda record: record.context.turn == 2 and record.context.retrieved)
        await end(*workers)


async def test_a_poison_request_is_put_aside_and_the_caller_gets_an_apology() -> None:
    async with harness() as made:
        workers = await with_workers(made)
        await made.emit(SttFinal(text="poison", origin="typed"))
        await made.until(lambda record: record.context.speech is not None)
        assert (await made.record()).context.late
        async with asyncio.timeout(5.0):
            while len(made.emitted("dlq")) < 2:
                await asyncio.sleep(0.005)
            for kind in ("rag", "intent"):
                while f"voice.{kind}.failed" not in made.types(kind):
                    await asyncio.sleep(0.005)
        assert [letter.payload["attempts"] for letter in made.bus.dead] == [MAX_ATTEMPTS] * len(made.bus.dead)
        await end(*workers)


async def test_a_broken_envelope_holds_nobody_up() -> None:
    async with harness() as made:
        for partition in range(made.bus.partitions):
            await made.bus.publish_raw(partition, b"{")
        await made.bus.publish(Envelope(event_type="voice.nothing", session_id=made.session_id, event_id="x"))
        await made.bus.publish(
            Envelope(event_type="voice.stt.final", session_id=made.session_id, payload={"text": 7}, event_id="y")
        )
        await made.emit(SttFinal(text="hello"))
        await made.state("THINKING")
        reasons = [
            str(envelope.payload["reason"])
            for envelope in made.emitted("orchestrator")
            if envelope.event_type == "voice.orchestrator.drop"
        ]
        assert any("unknown event type" in reason for reason in reasons)
        assert any("text" in reason for reason in reasons)


async def test_timers_fire_and_are_facts_of_the_log() -> None:
    async with harness(Policy(answer_deadline_s=0.1)) as made:
        await made.emit(SttFinal(text="hello"))
        await made.until(lambda record: record.context.late)
        fired = [event["payload"] for event in await logged_events(made.bus, made.session_id)
                 if event["event_type"] == "voice.timer.fired"]  # fmt: skip
        assert {"name": "answer_deadline"} in fired


async def test_the_next_orchestrator_goes_on_with_state_and_timers() -> None:
    policy = Policy(answer_deadline_s=0.6)
    async with harness(policy) as made:
        await made.emit(SttFinal(text="hello"))
        await made.state("THINKING")
    heir = Orchestrator(made.bus, "heir", policy, Phrases(), EventFigures(), mirrored=True)
    await made.bus.announce("gateway", "gateway-test", 60.0)
    running = asyncio.create_task(heir.run())
    await made.until(lambda record: record.context.late)
    await made.emit(IntentDetected(intent="question", turn=1))
    await end(running)


async def test_the_state_of_a_session_that_is_long_over_goes_with_its_log() -> None:
    bus, now = MemoryBus(1), time.time()
    over, idle, talking = Harness(bus), Harness(bus), Harness(bus)
    orchestrator = Orchestrator(
        bus, "orchestrator-test", Policy(), Phrases(), EventFigures(), mirrored=False, clock=lambda: now,
        retention_s=3600.0,
    )  # fmt: skip
    await bus.announce("gateway", "gateway-test", 60.0)
    running = asyncio.create_task(orchestrator.run())
    for session in (over, idle, talking):
        await session.emit(Connected(timestamp=now))
        await session.state("LISTENING")
    await over.emit(SessionEnded(timestamp=now))
    await over.state("IDLE")
    now += 3599.0
    await talking.emit(SttFinal(text="hello", timestamp=now))
    await talking.state("THINKING")
    assert await bus.snapshot(over.session_id) is not None
    now += 61.0
    await talking.emit(SttFinal(text="hello again", timestamp=now))
    await talking.until(lambda record: record.context.turn == 2)
    assert set(await bus.all_snapshots()) == {idle.session_id, talking.session_id}
    await over.emit(Connected(timestamp=now))
    await over.state("LISTENING")  # it begins anew
    await end(running)


async def test_a_fact_that_breaks_its_chart_ends_nobody_elses_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    fold = Conversation.fold

    def breakable(self: Conversation, entry: LogEntry, envelope: Envelope) -> Folded:
        if envelope.payload.get("text") == "poison":
            raise ZeroDivisionError("as a mistake of ours would")
        return fold(self, entry, envelope)

    monkeypatch.setattr(Conversation, "fold", breakable)
    async with harness() as made:
        await made.emit(SttFinal(text="poison"))
        await made.emit(SttFinal(text="hello"))
        assert (await made.state("THINKING")).context.turn == 1


async def test_clients_of_a_dead_gateway_are_waited_for() -> None:
    async with harness() as made:
        await made.bus.announce("gateway", "gateway-test", 0.0)
        record = await made.until(lambda record: record.context.detached)
        assert not record.context.connected


async def test_a_gateway_that_was_taken_for_dead_does_not_take_the_call_back_from_the_next_one() -> None:
    async with harness() as made:
        for gateway, event in (
            ("gateway-next", Disconnected(reason=MOVED)),
            ("gateway-next", Connected()),
            ("gateway-test", Connected(still=True)),
            ("gateway-next", SttFinal(text="hello", origin="typed")),
        ):
            fact = to_envelope(
                msgspec.structs.replace(event, event_id=str(uuid.uuid4()), timestamp=time.time()),
                made.session_id, source=gateway,
            )  # fmt: skip
            await made.bus.publish(fact)
        record = await made.state("THINKING")
        assert record.gateway == "gateway-next"


async def test_who_lost_a_partition_says_nothing_of_its_clients_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.orchestrator.PRESENCE_S", 0.1)
    async with harness() as made:
        for part in made.bus.parts:  # another one has them all
            part.epoch, part.owner, part.expires_at = part.epoch + 1, "heir", float("inf")
        await asyncio.sleep(0.5)  # it has looked after its leases meanwhile
        await made.bus.announce("gateway", "gateway-test", 0.0)
        await asyncio.sleep(0.5)
        said = [entry.envelope for part in made.bus.parts for entry in part.log if entry.envelope is not None]
        assert [fact.event_type for fact in said] == [Connected.event_type]


async def test_every_event_is_journalled_with_before_and_after() -> None:
    async with harness() as made:
        await made.emit(SttFinal(text="hello"))
        await made.emit(IntentDetected(intent="question", turn=7))
        await made.state("THINKING")
        await made.until(lambda record: record.last_event == IntentDetected.event_type)
        records = [msgspec.json.decode(data, type=JournalRecord) for data in await made.bus.journal(made.session_id)]
        entries = await made.bus.replay(made.session_id)
        assert [record.position for record in records] == [entry.position for entry in entries]
        assert [(record.before, record.after) for record in records][:2] == [
            ("IDLE.new", "LISTENING.quiet"),
            ("LISTENING.quiet", "THINKING.working"),
        ]
        assert isinstance(records[2].effects[0], Drop)
        assert records[0].chart_version


async def test_the_journal_tells_the_rules_once() -> None:
    async with harness(Policy(end_of_turn_s=0.7)) as made:
        await made.emit(SttFinal(text="hello"))
        await made.state("THINKING")
        first, second, *_ = [
            msgspec.json.decode(data, type=JournalRecord) for data in await made.bus.journal(made.session_id)
        ]
        assert first.rules is not None
        assert first.rules.read()[0] == Policy(end_of_turn_s=0.7)
        assert set(first.rules.policy) == set(Policy.__struct_fields__)
        assert second.rules is None


async def test_a_timer_started_by_a_fact_that_came_late_still_fires() -> None:
    async with harness(Policy(end_of_turn_s=0.3)) as made:
        now = time.time()
        await made.emit(SpeechStarted(timestamp=now))
        # Stamped by another clock than the fact before it, and behind it.
        await made.emit(SpeechStopped(timestamp=now - 0.1))
        await made.emit(SttFinal(text="how old is it"))
        await made.state("THINKING")


async def test_a_deleted_session_is_forgotten_everywhere() -> None:
    async with harness() as made:
        await made.emit(SttFinal(text="hello"))
        await made.state("THINKING")
        await made.emit(SessionEnded(reason="deleted"))
        async with asyncio.timeout(5.0):
            while await made.bus.snapshot(made.session_id) is not None:
                await asyncio.sleep(0.005)
        assert await made.bus.replay(made.session_id) == []
        assert made.emitted("stt") == []


async def test_one_trace_id_goes_through_everything() -> None:
    async with harness() as made:
        workers = await with_workers(made)
        await made.emit(SttFinal(text="how old is the bridge"))
        await made.until(lambda record: record.context.speech is not None)
        seen = {
            envelope.metadata.get("trace_id")
            for kind in ("stt", "intent", "rag", "tts", "orchestrator", "metrics")
            for envelope in made.emitted(kind)
        }
        assert len(seen) == 1
        assert "voice.metrics.event" in made.types("metrics")
        await end(*workers)


async def test_the_log_says_of_every_event_whose_it_is_and_of_which_turn() -> None:
    async with harness(Policy(intent_wait_s=0.01)) as made:
        await made.emit(SttFinal(text="how old is the bridge"))
        await made.until(lambda record: bool(record.context.intent))
        events = await logged_events(made.bus, made.session_id)
        metadata = [msgspec.convert(event["metadata"], dict[str, str]) for event in events]
        assert "voice.timer.fired" in [event["event_type"] for event in events]
        assert len({each["trace_id"] for each in metadata}) == 1
        raw = [entry.envelope for entry in await made.bus.replay(made.session_id) if entry.envelope is not None]
        assert [each.metadata.get("trace_id") for each in raw if each.source == "orchestrator-test"] == [
            metadata[0]["trace_id"]
        ]
        gates = [event["turn"] for event in events if str(event["event_type"]).endswith("gate_off")]
        assert gates == [0]


async def test_a_time_from_the_future_does_not_steer() -> None:
    async with harness() as made:
        await made.emit(SttFinal(text="hello", timestamp=9e9))
        record = await made.state("THINKING")
        assert record.context.now < 9e9
