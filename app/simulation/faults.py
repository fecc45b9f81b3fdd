"""What goes wrong in a run, and how often: chosen by the seed, so that runs differ in kind and not only in detail."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from random import Random

from msgspec import Struct

from app.simulation.loop import Process, SimulatedLoop

__all__ = ["HARD", "KINDS", "MIN_IDLE_S", "Faults", "Trace"]

SOFT = ("lost request", "lost answer", "late request", "slow", "twice")
"""What happens to one call of the bus."""
HARD = ("kill", "freeze", "cut off", "leave")
"""What happens to a process; it leaves when it is told to end, as by SIGTERM."""
KINDS = (*HARD, *SOFT)

MIN_IDLE_S = 1.5
"""After which a request of a silent worker is handed out again."""
AT_MOST = 6
"""Hard faults in one run: more of them only make it longer."""
CALLS = 8
"""Of so many calls one fails, where a run has a kind of fault at all and it is a frequent one."""


class Line(Struct, frozen=True):
    """One line of the story."""

    at: float
    who: str
    what: str


class Trace:
    """What happened, in order.

    Args:
        clock: Tells the virtual time.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.lines: list[Line] = []

    def add(self, who: str, what: str) -> None:
        """Note that something happened now."""
        self.lines.append(Line(self._clock(), who, what))


class Faults:
    """Decides which call goes wrong.

    Every run has some of the kinds only, each with a rate of its own: with all of them always, none would get far.

    Args:
        random: Of this run.
        loop: Freezes and kills.
        trace: Where faults are told.
    """

    def __init__(self, random: Random, loop: SimulatedLoop, trace: Trace) -> None:
        self._random = random
        self._loop = loop
        self._trace = trace
        self._left = random.randint(0, AT_MOST)
        self._rates = {kind: random.random() ** 2 / CALLS for kind in KINDS if random.random() < 0.5}
        self._total = sum(self._rates.values())
        self.over = False
        """Nothing goes wrong any more: what is broken heals."""
        self.running = True
        """The run is not over yet."""
        self.cut_off: set[str] = set()
        """Names of the processes that do not reach the bus now."""
        self.injected: Counter[str] = Counter()
        self.on_kill: Callable[[Process], None] = lambda process: None
        """Told of each process that is killed."""
        self.on_leave: Callable[[Process], None] = lambda process: None
        """Told of each process that is to end."""

    def draw(self, process: Process, what: str) -> str:
        """Return what goes wrong with a call of the bus that a process is about to make; mostly nothing."""
        at = self._random.random()
        if self.over or at >= self._total:
            return ""
        for kind, rate in self._rates.items():  # noqa: B007 - the last one, if rounding lets none fit
            if at < rate:
                break
            at -= rate
        if kind in HARD:
            if self._left <= 0:
                return ""
            self._left -= 1
        self.injected[kind] += 1
        self._trace.add("FAULT", f"{kind}: {process.name}, {what}")
        return kind

    def strike(self, process: Process, kind: str) -> None:
        """Do to a process what was drawn."""
        match kind:
            case "kill":
                self._loop.kill(process)
                self.on_kill(process)
                self._fall_silent(process, math.inf)
            case "leave":
                self.on_leave(process)
            case "freeze":
                seconds = self._random.choice((0.1, 0.5, 1.5, 2.5))
                self._loop.freeze(process, seconds)
                self._fall_silent(process, seconds)
            case "cut off":
                self.cut_off.add(process.name)
                seconds = self._random.choice((0.2, 1.0, 1.5))
                self._loop.call_later(seconds, self.cut_off.discard, process.name, context=self._loop.outside)
                self._fall_silent(process, seconds)

    def _fall_silent(self, process: Process, seconds: float) -> None:
        """What a process holds is handed to others, if it is silent for long."""
        if seconds >= MIN_IDLE_S:
            for lose in process.on_silence:
                lose()

    def heal(self) -> None:
        """Let nothing go wrong any more."""
        self.over = True
        self.cut_off.clear()
