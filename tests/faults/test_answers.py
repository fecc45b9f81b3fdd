"""Answers that stop in the middle, and answers for which nobody is there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from adapters.answers.intents import RuleIntents
from adapters.answers.port import Sentence
from app.workers import Worker, classify_requests
from statecharts.events import SttFinal
from statecharts.policy import Policy
from tests.app.harness import harness
from tests.app.test_degrading import ANSWER, line


class HalfAnAnswer:
    """Says a sentence, and never another."""

    async def answer(self, text: str) -> AsyncIterator[Sentence]:
        yield Sentence(text=ANSWER, source="bridge.md", score=1.0)
        await asyncio.Event().wait()


@pytest.mark.fault(15)
async def test_after_an_answer_that_stops_in_the_middle_the_floor_goes_back(measured: Callable[[str], None]) -> None:
    async with line(answerer=HalfAnAnswer()) as made:
        began = time.monotonic()
        await made.type("how old is the bridge")
        await made.until_it_is_over()
        assert made.texts()[0] == ("answer", ANSWER)
        measured(
            f"said {[text for _, text in made.texts()]}, the floor went back after {time.monotonic() - began:.1f} s"
        )


@pytest.mark.fault(17)
async def test_without_anybody_to_answer_the_caller_hears_an_apology(measured: Callable[[str], None]) -> None:
    deadline_s = 0.5
    async with harness(Policy(answer_deadline_s=deadline_s)) as made:
        worker = asyncio.create_task(Worker(made.bus, "intent", "i1", classify_requests(RuleIntents())).run())
        began = time.monotonic()
        await made.emit(SttFinal(text="how old is the bridge", origin="typed"))
        record = await made.until(lambda record: record.context.speech is not None)
        assert record.context.late
        assert time.monotonic() - began >= deadline_s
        assert "voice.intent.detected" in made.types("intent")
        measured(f"the deadline is {deadline_s} s, the apology came after {time.monotonic() - began:.2f} s")
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
