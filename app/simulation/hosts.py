"""The simulated processes: started, killed, started again, each with the real code of its role inside."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from random import Random
from typing import cast

from msgspec import Struct

from adapters.answers.port import Judgement, Sentence
from adapters.bus.memory import MemoryBus
from adapters.bus.port import BusUnavailable, EventBus
from app.gateway.call import Call
from app.gateway.gateway import Gateway
from app.gateway.services import CallServices
from app.history.checking import Obeyed
from app.observability import EventFigures
from app.orchestrator import Orchestrator
from app.simulation.call import SimulatedCall
from app.simulation.link import Link
from app.simulation.loop import Process
from app.simulation.wire import Far
from app.workers import Worker, answer_requests, classify_requests
from statecharts.phrases import Phrases
from statecharts.policy import Policy

__all__ = ["Code", "Host", "SimulatedGateway"]

RESTART_S = 0.5
"""Longest time after which a killed process is started again."""


class _NoFigures(EventFigures):
    """Counts nothing: nobody asks."""

    def count(self, event_type: str, status: str, latency_s: float) -> None:
        """Forget it."""


_FIGURES = _NoFigures()
_PHRASES = Phrases()


class SimulatedGateway(Gateway):
    """The real gateway, which publishes, announces itself and refuses older epochs, with simulated calls in it."""

    def __init__(self, bus: EventBus, name: str, clock: Callable[[], float]) -> None:
        super().__init__(bus, cast(CallServices, None), clock)  # it makes no call itself
        self.name = name

    async def take_in(self, session_id: str, make: Callable[[], SimulatedCall]) -> tuple[SimulatedCall, bool, bool]:
        """Return the session's call, made if there is none, whether the session is new, and whether it is elsewhere.

        As `open_call` does. Raises BusUnavailable.
        """
        there, record = await self._look_up(session_id)
        if there is not None:
            return cast(SimulatedCall, there), False, False
        call = make()
        self._calls[session_id] = cast(Call, call)
        call.on_over = lambda: self._let_go(call)
        return call, record is None, record is not None and record.gateway not in ("", self.name)

    def held(self, session_id: str) -> SimulatedCall | None:
        """Return the session's call, if there is one here."""
        return cast(SimulatedCall | None, self._calls.get(session_id))

    def _let_go(self, call: SimulatedCall) -> None:
        if self.held(call.session_id) is call:
            del self._calls[call.session_id]

    def epoch(self, session_id: str) -> int:
        """Return the epoch of the command that was obeyed last."""
        return self._orders[session_id].epoch

    @property
    def silent(self) -> bool:
        """Whether nothing waits to be published."""
        return self._backlog.empty()


class Code(Struct, frozen=True, kw_only=True):
    """What runs in the processes and what they share; a planted fault takes the place of one of them."""

    orchestrator: type[Orchestrator] = Orchestrator
    gateway: type[SimulatedGateway] = SimulatedGateway
    bus: type[MemoryBus] = MemoryBus


class Host:
    """A machine that runs one role, and starts it again when its process dies.

    Args:
        name: Of the role: `orchestrator-1`.
        far: What it reaches.
        code: What runs inside.
        policy: The numbers of turn-taking.
        on_failure: Told of an error that ended a role.
    """

    def __init__(self, name: str, far: Far, code: Code, policy: Policy, on_failure: Callable[[str], None]) -> None:
        self.name = name
        self._far = far
        self._code = code
        self._policy = policy
        self._on_failure = on_failure
        self._starts = 0
        self._leave: list[Callable[[], Coroutine[object, object, None]]] = []
        self._leaving = False
        self.process = Process(name)
        self.gateway: SimulatedGateway | None = None

    def start(self) -> None:
        """Start the role in a new process."""
        self._starts += 1
        self._leave, self._leaving = [], False
        name = f"{self.name}.{self._starts}"
        self.process = process = Process(name)
        self._far.trace.add(name, "starts")
        for work in self._roles(name, Link(process, self._far)):
            task = self._far.loop.spawn(process, work, name)
            task.add_done_callback(self._ended, context=self._far.loop.outside)

    def restart_soon(self) -> None:
        """Start the role again after a while: its process was killed, or has failed."""
        self._far.loop.call_later(self._far.random.random() * RESTART_S, self.start, context=self._far.loop.outside)

    def leave(self) -> None:
        """Let the role end in order, if it knows how, and start it again."""
        if self._leave and not self._leaving:
            self._leaving = True
            self._far.loop.spawn(self.process, self._end_in_order(self.process), "leaving")

    async def _end_in_order(self, process: Process) -> None:
        with contextlib.suppress(BusUnavailable):
            for leave in self._leave:
                await leave()
        if self._far.faults.running:
            self._far.trace.add(process.name, "has left")
            self._far.faults.strike(process, "kill")

    def _roles(self, name: str, bus: EventBus) -> list[Coroutine[object, object, None]]:
        clock, code, random = self._far.loop.unix_time, self._code, self._far.random
        match self.name.split("-")[0]:
            case "orchestrator":
                made = code.orchestrator(bus, name, self._policy, _PHRASES, _FIGURES, mirrored=False, clock=clock)
                self._leave = [made.leave]
                return [made.run()]
            case "worker":
                workers = [
                    Worker(bus, "intent", name, classify_requests(_Classifier()), clock),
                    Worker(bus, "rag", name, answer_requests(_Answerer(random)), clock),
                ]
                self._leave = [worker.leave for worker in workers]
                return [worker.run() for worker in workers]
            case _:
                self.gateway = code.gateway(bus, name, clock)
                return [self.gateway.run()]

    def note(self, call: SimulatedCall, effects: list[dict[str, object]], position: str) -> None:
        """Write down what a call was just asked to do."""
        assert self.gateway is not None
        obeyed = Obeyed(
            gateway=self.gateway.name, call=call.name, epoch=self.gateway.epoch(call.session_id), position=position,
            effects=effects,
        )  # fmt: skip
        self._far.obeyed.append((call.session_id, obeyed))

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._leaving or not self._far.faults.running:
            return
        error = task.exception()
        self._on_failure(f"{task.get_name()} ended by itself: {_told(error)}")
        self._far.loop.kill(self.process)
        self.restart_soon()


class _Classifier:
    """Takes what begins with "hello" for a greeting, "poison" breaks it, all else is a question."""

    def classify(self, text: str) -> Judgement:
        if "poison" in text:
            raise ZeroDivisionError(text)
        return Judgement(intent="greeting" if text.startswith("hello") else "question", confidence=0.9)


class _Answerer:
    """Answers in one or two sentences, mostly soon; "poison" breaks it, and now and then something else does."""

    def __init__(self, random: Random) -> None:
        self._random = random

    async def answer(self, text: str) -> AsyncIterator[Sentence]:
        if "poison" in text or self._random.random() < 0.02:
            raise ZeroDivisionError(text)
        await asyncio.sleep(self._random.random() ** 4 * 1.4)
        if self._random.random() < 0.5:
            yield Sentence(text="It opened in 1883.", source="bridge.md", score=0.9)
            await asyncio.sleep(self._random.random() * 0.2)
        yield Sentence(text="It is long.", source="bridge.md", score=0.8, is_final=True)


def _told(error: BaseException | None) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_told(each) for each in error.exceptions)
    return f"{type(error).__name__}: {error}" if error is not None else "it returned"
