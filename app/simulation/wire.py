"""How a simulated process's calls travel to the bus: some get lost, come late or twice, or are not answered."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from random import Random
from typing import TypeVar

from adapters.bus.memory import MemoryBus
from adapters.bus.port import BusUnavailable
from app.history.checking import Committed, Obeyed
from app.simulation.faults import HARD, Faults, Trace
from app.simulation.loop import Process, SimulatedLoop
from statecharts.events import VoicechartError

__all__ = ["TIMEOUT_S", "Far", "Wire"]

TIMEOUT_S = 0.3
"""After which a call that was not answered fails, as on Redis."""
LATE_S = 0.5
"""How much longer than that a late request may be on its way."""
AT_ONCE = 0.6
"""Share of the calls that happen while the process waits for nothing else: on their way nothing could come between."""
AGAIN_S = 0.2
"""How much later the second copy of a call may arrive."""
HOP_S = 0.004
"""Longest way of a request that is not slow."""
LOOK_S = 0.1
"""How often a process that is cut off looks whether it reaches the bus again."""

_T = TypeVar("_T")


class Far:
    """The far end of all links: the bus, what goes wrong on the way, and what is written down about it.

    Args:
        bus: The one that all share.
        loop: Whose time counts.
        random: How long things take.
        trace: What happened.
        faults: What goes wrong.
    """

    def __init__(self, bus: MemoryBus, loop: SimulatedLoop, random: Random, trace: Trace, faults: Faults) -> None:
        self.bus = bus
        self.loop = loop
        self.random = random
        self.trace = trace
        self.faults = faults
        self.acknowledged: list[tuple[str, str]] = []
        """Session and id of each fact whose publication was answered."""
        self.obeyed: list[tuple[str, Obeyed]] = []
        """Session and command of what gateways carried out."""
        self.erased: dict[str, int] = {}
        """Each session that was erased, and the epoch of its partition then."""
        self.commits: list[Committed] = []
        """Those that happened."""


class Wire:
    """Between one process and the far end.

    A call takes a while to arrive and happens whole at that moment, whatever has become of the process. Where nothing
    was lost, the process learns what happened; else only, after a while, that it cannot be known.
    """

    def __init__(self, process: Process, far: Far) -> None:
        self._process = process
        self._far = far

    def reach(self) -> None:
        """Raise BusUnavailable while the process is cut off.

        Leases, presence and reading take no time and fail in no other way: most calls are theirs, and least happens.
        """
        if self._process.name in self._far.faults.cut_off:
            raise BusUnavailable("cut off")

    async def arrives(self, what: str) -> str:
        """Let something from the bus be on its way; return what went wrong with it."""
        far = self._far
        fault = far.faults.draw(self._process, what)
        if fault in HARD:
            far.faults.strike(self._process, fault)
            await asyncio.sleep(0)  # here it stands still, or ends
        if far.random.random() < 0.3:
            await asyncio.sleep(far.random.random() * HOP_S)
        while self._process.name in far.faults.cut_off:  # noqa: ASYNC110 - nobody tells it
            await asyncio.sleep(LOOK_S)
        if what:
            far.trace.add(self._process.name, what)
        return fault

    async def call(self, what: str, op: Callable[..., Coroutine[object, object, _T]], *args: object) -> _T:
        """Have the bus do something.

        Args:
            what: How it is told; nothing, if it is not worth telling.
            op: What happens at the far end, at once.
            args: For it.

        Raises:
            BusUnavailable: Whether it happened cannot be known.
        """
        far, loop = self._far, self._far.loop
        fault = far.faults.draw(self._process, what)
        if not fault and self._process.name not in far.faults.cut_off and far.random.random() < AT_ONCE:
            return self._happens(what, op(*args))
        struck = fault if fault in HARD else ""
        if struck and far.random.random() < 0.5:
            far.faults.strike(self._process, struck)
            await asyncio.sleep(0)  # here it stands still, or ends
            struck = ""
        delay_s = far.random.random() * HOP_S
        if fault == "slow":
            delay_s += far.random.random() * TIMEOUT_S
        if fault == "late request":
            delay_s += TIMEOUT_S + far.random.random() * LATE_S
        answer: asyncio.Future[_T] = loop.create_future()
        lost = fault == "lost request" or self._process.name in far.faults.cut_off
        if not lost:
            loop.call_later(delay_s, self._arrive, what, lambda: op(*args), answer, fault, struck, context=loop.outside)
        if lost or delay_s > TIMEOUT_S or fault == "lost answer":
            loop.call_later(TIMEOUT_S, _give_up, answer, context=loop.outside)
        return await answer

    def _happens(self, what: str, work: Coroutine[object, object, _T]) -> _T:
        """Have something done at the far end, now, and tell of it."""
        try:
            done = _at_once(work)
        except VoicechartError as error:
            what = f"{what}: {type(error).__name__}, {error}"
            raise
        finally:
            if what:
                self._far.trace.add(self._process.name, what)
        return done

    def _arrive(
        self, what: str, op: Callable[[], Coroutine[object, object, _T]], answer: asyncio.Future[_T], fault: str,
        struck: str,
    ) -> None:  # fmt: skip
        far = self._far
        outcome: _T | VoicechartError
        try:
            outcome = self._happens(what, op())
        except VoicechartError as error:
            outcome = error
        if fault == "twice":
            far.loop.call_later(far.random.random() * AGAIN_S, _once_more, op, context=far.loop.outside)
        if struck:
            far.faults.strike(self._process, struck)
        if answer.done() or fault == "lost answer":
            return
        if self._process.name in far.faults.cut_off:
            far.loop.call_later(TIMEOUT_S, _give_up, answer, context=far.loop.outside)
        elif isinstance(outcome, VoicechartError):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)


def _at_once(work: Coroutine[object, object, _T]) -> _T:
    """Return what a coroutine returns that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        result: _T = done.value
        return result
    raise RuntimeError("the bus in memory does what it is asked at once")


def _once_more(op: Callable[[], Coroutine[object, object, object]]) -> None:
    with contextlib.suppress(VoicechartError):
        _at_once(op())


def _give_up(answer: asyncio.Future[_T]) -> None:
    if not answer.done():
        answer.set_exception(BusUnavailable(f"no answer within {TIMEOUT_S} s"))
