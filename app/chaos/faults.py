"""What is done to the processes: each fault by its kind, how it is carried out, and whom it touches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import get_args

from app.chaos.call_story import CallStory
from app.chaos.caller import Caller
from app.chaos.fleet import Fleet, Role, RoleProcess

__all__ = ["KINDS", "LOG_SERVER", "Fault", "Harm", "Plan", "plan"]

LOG_SERVER = "Redis"
FREEZE_S = (1.0, 3.0)
AWAY_S = (0.05, 0.5)
"""How long the log server stays away when it was killed."""
LONGEST_PAUSE_S = 0.5
KINDS = {
    "orchestrator killed": 5, "orchestrator frozen": 3, "orchestrator link reset": 2, "orchestrator link dead": 2,
    "worker killed": 4, "worker frozen": 2, "worker link reset": 1,
    "gateway killed": 4, "gateway frozen": 2, "gateway link reset": 2, "gateway link dead": 1,
    "Redis killed": 3, "Redis frozen": 2,
}  # fmt: skip
"""What may happen to whom, and how often of 33. A link is the process's to the log server; a dead one swallows
everything and tells nobody."""


@dataclass
class Plan:
    """One fault to come, as drawn from the seed."""

    kind: str
    lasts_s: float
    """Of a freeze, a dead link, or the absence of a killed log server."""
    pick: float
    """Which process, of those that are there: from 0 to 1."""
    pause_s: float
    """After the calls have recovered from the one before."""
    hurry: int
    """Which callers say the next thing at once: a bit for each."""


@dataclass
class Fault:
    """One fault that happened; times are on the event loop's clock."""

    number: int
    kind: str
    target: str
    at: float
    clock: float = 0.0
    """From when on recovery counts: the fault, or, where nobody else can do the work of what stands still, its end."""
    touched: list[CallStory] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)


def plan(number: int, random: Random) -> list[Plan]:
    """Draw so many faults; every kind comes at least once if there is room."""
    names, weights = list(KINDS), list(KINDS.values())
    kinds = (names if number >= len(names) else []) + random.choices(names, weights, k=number)
    kinds = kinds[:number]
    random.shuffle(kinds)
    return [
        Plan(
            kind,
            random.uniform(*(AWAY_S if kind == "Redis killed" else FREEZE_S)),
            random.random(),
            random.uniform(0.0, LONGEST_PAUSE_S),
            random.getrandbits(64) | random.getrandbits(64),
        )
        for kind in kinds
    ]


class Harm:
    """Carries faults out, and sees to it that what was killed comes back.

    Args:
        fleet: What is harmed.
        callers: Who may notice.
        group: Where restarts run.
    """

    def __init__(self, fleet: Fleet, callers: Sequence[Caller], group: asyncio.TaskGroup) -> None:
        self._fleet = fleet
        self._callers = callers
        self._group = group
        self._away: set[str] = set()
        self.fallen: list[str] = []
        """Processes that ended without our doing, and what they said."""

    def look(self) -> None:
        """Note which processes ended by themselves, and start them again."""
        for process in self._fleet.processes:
            if process.name not in self._away and not process.alive:
                self.fallen.append(f"{process.name} ended by itself. It said: {process.tail()}")
                self._away.add(process.name)
                self._group.create_task(self._bring_back(process))

    async def do(self, number: int, planned: Plan) -> Fault:
        """Carry out one fault; returns when its effect is over, but for restarts, which go on."""
        loop = asyncio.get_running_loop()
        who, _, what = planned.kind.partition(" ")
        if who == LOG_SERVER:
            fault = Fault(number, planned.kind, LOG_SERVER, loop.time(), touched=self._stories(lambda _: True))
            await self._harm_log(what, planned)
        else:
            process = await self._choose(who, planned.pick)
            at_it = self._stories(lambda caller: caller.line is not None and caller.line.url == process.url)
            fault = Fault(
                number, planned.kind, process.name, loop.time(),
                touched=at_it if who == "gateway" else self._stories(lambda _: True),
            )  # fmt: skip
            await self._harm(process, what, planned)
        only_it = what in ("frozen", "link dead") and who in ("gateway", LOG_SERVER)
        fault.clock = loop.time() if only_it else fault.at
        return fault

    def _stories(self, touched: Callable[[Caller], bool]) -> list[CallStory]:
        return [caller.story for caller in self._callers if touched(caller)]

    async def _choose(self, role: str, pick: float) -> RoleProcess:
        """Return a process of a role; one of them is always left in peace, so that there is who takes over."""
        assert role in get_args(Role)
        while True:
            there = [process for process in self._fleet.processes if process.role == role]
            up = [process for process in there if process.name not in self._away]
            if len(up) > 1 or len(there) == 1 == len(up):
                return up[int(pick * len(up))]
            await asyncio.sleep(0.1)  # until one that was killed is back

    async def _harm(self, process: RoleProcess, what: str, planned: Plan) -> None:
        match what:
            case "killed":
                self._away.add(process.name)
                await process.kill()
                self._hurry(planned)
                self._group.create_task(self._bring_back(process))
            case "frozen":
                process.freeze()
                self._hurry(planned)
                await asyncio.sleep(planned.lasts_s)
                process.thaw()
            case "link reset":
                process.link.reset()
                self._hurry(planned)
            case "link dead":
                process.link.black_hole()
                self._hurry(planned)
                await asyncio.sleep(planned.lasts_s)
                process.link.heal()

    async def _harm_log(self, what: str, planned: Plan) -> None:
        if what == "killed":
            self._hurry(planned)
            await self._fleet.restart_log(planned.lasts_s)
            return
        self._fleet.freeze_log(frozen=True)
        self._hurry(planned)
        await asyncio.sleep(planned.lasts_s)
        self._fleet.freeze_log(frozen=False)

    def _hurry(self, planned: Plan) -> None:
        for number, caller in enumerate(self._callers):
            if planned.hurry >> number & 1:
                caller.hurry()

    async def _bring_back(self, process: RoleProcess) -> None:
        await self._fleet.restart(process)
        self._away.discard(process.name)
