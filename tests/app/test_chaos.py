"""What chaos draws from a seed, and that its judgement finds what is wrong with a call."""

from __future__ import annotations

import itertools
from random import Random

import msgspec
import pytest

from adapters.bus.port import EventBus
from app.chaos.call_story import CallStory, Said
from app.chaos.faults import KINDS, plan
from app.chaos.judging import category, judge
from app.chaos.line import Got
from app.chaos.watching import Watch
from app.folding import JournalRecord
from app.history.records import asked
from statecharts.effects import StateChanged
from statecharts.events import RagAnswerReady, SttFinal
from tests.app.harness import Harness, harness

QUESTION = "How old is the bridge?"


def test_a_seed_draws_the_same_faults_again_and_leaves_no_kind_out() -> None:
    drawn = plan(40, Random(5))
    assert drawn == plan(40, Random(5))
    assert drawn != plan(40, Random(6))
    assert {one.kind for one in drawn} == set(KINDS)
    assert len(plan(3, Random(5))) == 3


async def call(made: Harness) -> CallStory:
    """A call of one question, as its caller saw it."""
    await made.emit(SttFinal(text=QUESTION, confidence=1.0, origin="typed"))
    await made.state("THINKING")
    await made.emit(RagAnswerReady(text="", is_final=True, turn=1, request_id="1.answer"))
    await made.state("LISTENING")
    story = CallStory(made.session_id, said=[Said(QUESTION, times=1, acknowledged=True, turn=1)], over=True)
    records = [msgspec.json.decode(data, type=JournalRecord) for data in await made.bus.journal(made.session_id)]
    changes = [change for record in records for change in asked(record, StateChanged)]
    for number, change in enumerate(changes[1:], 1):  # the first is the connect, which no client is told
        payload = msgspec.to_builtins(change) | {"state": change.new_state}
        story.got.append(got({"type": "orchestrator_state", "payload": payload}, number))
    return story


def got(message: dict[str, object], number: int) -> Got:
    return Got(at=float(number), connection=1, id=f"{number}-0.1", data=msgspec.json.encode(message))


AUDIO = got({"type": "tts_chunk", "payload": {"turn": 1, "kind": "answer", "seq": 0}}, 0)
OLD_AUDIO = got({"type": "tts_chunk", "payload": {"turn": 0, "kind": "answer", "seq": 0}}, 98)


async def found(bus: EventBus, story: CallStory) -> set[tuple[str, str]]:
    """What is found wrong, but for what this call leaves out: nobody answered for the intent."""
    judged = await judge(bus, story)
    return {
        (category(one), one.rule) for one in judged.wrong if one.rule != "no request is left for ever"
    }  # fmt: skip


async def test_a_call_in_which_all_went_well_is_found_so() -> None:
    async with harness() as made:
        assert await found(made.bus, await call(made)) == set()


async def test_what_was_acknowledged_and_is_not_there_is_lost() -> None:
    async with harness() as made:
        story = await call(made)
        story.said.append(Said("Who built the tower?", times=1, acknowledged=True))
        assert await found(made.bus, story) == {("lost", "no fact is lost")}


async def test_what_was_posted_once_and_acted_on_under_another_id_is_missed_and_told() -> None:
    async with harness() as made:
        story = await call(made)
        story.said.append(Said(QUESTION, acknowledged=True, event_id="another"))
        assert ("lost", "no fact is lost") in await found(made.bus, story)


async def test_what_was_said_once_and_acted_on_twice_is_doubled() -> None:
    async with harness() as made:
        story = await call(made)
        await made.emit(SttFinal(text=QUESTION, confidence=1.0, origin="typed"))
        await made.state("THINKING")
        assert ("doubled", "no fact is acted on twice") in await found(made.bus, story)


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (lambda story: story.got.pop(0), ("lost", "clients miss nothing")),
        (lambda story: story.got.append(story.got[0]), ("doubled", "clients get nothing twice")),
        (lambda story: story.got.reverse(), ("violated", "clients get everything in order")),
        (lambda story: story.got.extend(itertools.repeat(AUDIO, 2)), ("doubled", "clients get nothing twice")),
        (lambda story: story.got.append(OLD_AUDIO), ("violated", "no late result is acted on")),
        (lambda story: story.problems.append("waited 25 s"), ("lost", "a caller is served")),
    ],
)
async def test_what_a_client_missed_or_got_twice_or_late_is_found(spoil: object, rule: tuple[str, str]) -> None:
    async with harness() as made:
        story = await call(made)
        assert callable(spoil)
        spoil(story)
        assert rule in await found(made.bus, story)


async def test_two_owners_in_one_epoch_and_an_epoch_that_goes_back_are_noticed() -> None:
    watch = Watch("unix:///nowhere", 16)
    watch._note(3, "one", 5)
    watch._note(3, "one", 5)
    watch._note(3, "two", 6)
    assert watch.wrong == []
    assert watch.moved(3, 0.0, float("inf"))
    watch._note(3, "three", 6)
    watch._note(3, "one", 5)
    assert [line.split(": ")[1] for line in watch.wrong] == [
        "two and three both had epoch 6", "epoch 6 came after 6", "epoch 5 came after 6",
    ]  # fmt: skip
