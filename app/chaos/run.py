"""Breaks it on purpose: roles apart, callers that talk, one fault after the other, and now and then the log is read.

**Recovery** of a call from a fault is the longest time for which its caller was kept waiting: of all waits for
something the server owed (the session after a lost connection, the words shown, the first sound of the answer, the
floor after it) that were running at the fault or began within 0.3 s after it, the longest, counted from the fault at
the earliest. So that somebody always waits, three of four callers say the next thing at that moment. Where nobody else
can do the work of what stands still (a frozen gateway or log server, the dead link of a gateway), it is counted from
the end of that. A killed log server is started again after up to half a second, which is part of the recovery. Only
calls that the fault touches count: of a gateway those it holds, of an orchestrator those whose partition went to
another owner, of workers those that wait for an answer, of the log server all. Waits at other times are given as well:
that is what the same callers wait for where nothing is broken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

from msgspec import Struct

from adapters.bus.port import EventBus, partition_of
from app.chaos.call_story import CallStory, Wait
from app.chaos.caller import FACTS, Caller
from app.chaos.faults import LOG_SERVER, Fault, Harm, Plan, plan
from app.chaos.fleet import PARTITIONS, Fleet, LogServer, Role
from app.chaos.judging import Judged, category, judge
from app.chaos.recoveries import Recoveries, recoveries_of, undisturbed_waits
from app.chaos.story import keep_story
from app.chaos.watching import Watch
from app.patience import patiently
from app.task_errors import first_of_ours

__all__ = ["Chaos", "Outcome", "chaos"]

NOTICED_S = 0.3
"""Waits that begin later than this after a fault do not count: they would only make it look shorter."""
BETWEEN_S = 1.0
"""Shortest time from one fault to the next."""
LEAD_IN_S = 3.0
"""How long callers talk undisturbed first."""
RECOVERED_WITHIN_S = 30.0
"""Longest wait for the calls to recover before the next fault; a caller gives up sooner."""
OWNED_WITHIN_S = 3.0
ROUND = 200
"""Faults after which the log is read and emptied."""
SETTLED_WITHIN_S = 30.0
"""Longest wait at the end for what workers left behind: it is handed out again after 15 s."""


class Outcome(Struct, kw_only=True):
    """What came of it."""

    seed: int
    faults: int
    calls: int
    turns: dict[str, int]
    facts: int
    reconnects: int
    recoveries: dict[str, Recoveries]
    of_redis: Recoveries
    """Of all faults of the log server."""
    of_others: Recoveries
    """Of all other faults."""
    undisturbed: Recoveries
    """Waits that no fault touched."""
    wrong: dict[str, list[str]]
    """`lost`, `doubled`, `violated`: what was found, each with its session."""
    folder: str

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not any(self.wrong.values())


class Chaos(Struct, frozen=True, kw_only=True):
    """What is wanted."""

    kills: int
    seed: int
    callers: int = 6
    gateways: int = 2
    orchestrators: int = 3
    workers: int = 2
    keep_all: bool = False
    """Keep the story of every call, not only of those in which something is wrong."""


class _Round(Struct, kw_only=True):
    """Some of the faults, and the calls held meanwhile."""

    faults: list[Fault]
    stories: list[CallStory]
    fallen: list[str]
    """What ended by itself."""
    judged: list[Judged] = []


async def chaos(
    wanted: Chaos,
    folder: Path,
    log_server: Callable[[Path], LogServer],
    open_log: Callable[[str], EventBus],
    tell: Callable[[str], None],
) -> tuple[Outcome, list[Path]]:
    """Run it; return what came of it, and where the stories are of the calls in which something is wrong.

    Args:
        wanted: How much, and which.
        folder: Where data and log files go.
        log_server: Makes a log server on a folder.
        open_log: Makes a bus on a log server's address.
        tell: Takes a line a fault.

    Raises:
        RoleFailed: A process did not come up.
    """
    counts: dict[Role, int] = {
        "gateway": wanted.gateways, "orchestrator": wanted.orchestrators, "worker": wanted.workers
    }  # fmt: skip
    options: dict[Role, list[str]] = {
        "gateway": ["--voice", "espeak"], "worker": ["--knowledge", str(_knowledge(folder))]
    }  # fmt: skip
    fleet = Fleet(folder, log_server, counts, options, tell)
    rounds: list[_Round] = []
    files: list[Path] = []
    async with AsyncExitStack() as cleared_up:
        cleared_up.push_async_callback(fleet.stop)
        await fleet.start()
        bus = open_log(fleet.address)
        cleared_up.push_async_callback(bus.close)
        await bus.start()
        assert fleet.watch is not None
        with first_of_ours():
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(fleet.watch.run())
                await fleet.wait_all_up()
                began = asyncio.get_running_loop().time()
                plans = list(enumerate(plan(wanted.kills, Random(wanted.seed)), 1))
                for first in range(0, len(plans), ROUND):
                    rounds.append(await _harm_all(wanted, plans[first : first + ROUND], fleet, tell, began))
                    files += await _read(rounds[-1], bus, folder, tell, keep_all=wanted.keep_all)
                watching.cancel()
        return _outcome(wanted, folder, fleet.watch.wrong, rounds), files


async def _read(
    done: _Round, bus: EventBus, folder: Path, tell: Callable[[str], None], *, keep_all: bool
) -> list[Path]:
    """Judge a round's calls, and empty the log; return where the stories are of those in which something is wrong.

    The log of an hour of this has a hundred megabytes. Servers are given a log that is trimmed; so is this one.
    """
    tell(f"reading the log of {len(done.stories)} calls")
    done.judged = await _judge_all(bus, done.stories)
    files = []
    for one, story in zip(done.judged, done.stories, strict=True):
        if keep_all or one.wrong:
            kept = await keep_story(bus, folder, one, story)
            files += [kept] if one.wrong else []
    await patiently(lambda: bus.trim(0.0))
    return files


def _knowledge(folder: Path) -> Path:
    """Write what the callers ask about."""
    made = folder / "knowledge"
    made.mkdir(parents=True, exist_ok=True)
    text = "\n\n".join(f"## {question}\n\n{answer}" for question, answer in FACTS.items())
    (made / "town.md").write_text(f"# The town\n\n{text}\n")
    return made


async def _harm_all(
    wanted: Chaos, plans: Sequence[tuple[int, Plan]], fleet: Fleet, tell: Callable[[str], None], began: float
) -> _Round:
    """Let callers talk, and do one thing after the other to what serves them."""
    stories: list[CallStory] = []
    faults: list[Fault] = []
    stop = asyncio.Event()
    callers = [
        Caller(number, fleet.gateways, f"{wanted.seed} {plans[0][0]} {number}", stories.append)
        for number in range(wanted.callers)
    ]
    async with asyncio.TaskGroup() as group:
        calling = [group.create_task(caller.run(stop)) for caller in callers]
        async with asyncio.TaskGroup() as restarts:
            harm = Harm(fleet, callers, restarts)
            await asyncio.sleep(LEAD_IN_S)
            for number, planned in plans:
                faults.append(await _one(harm, number, planned, fleet.watch, calling))
                tell(_told(faults[-1], wanted.kills, faults[-1].at - began))
        stop.set()
    return _Round(faults=faults, stories=stories, fallen=harm.fallen)


async def _one(
    harm: Harm, number: int, planned: Plan, watch: Watch | None, calling: Iterable[asyncio.Task[None]]
) -> Fault:
    """Carry out one fault, wait for the calls to recover from it, and note how long that took."""
    assert watch is not None
    loop = asyncio.get_running_loop()
    await asyncio.sleep(planned.pause_s)
    fault = await harm.do(number, planned)
    deadline = fault.clock + RECOVERED_WITHIN_S
    while loop.time() < fault.clock + BETWEEN_S or (
        loop.time() < deadline and any(_waits(story, fault, running=True) for story in fault.touched)
    ):
        for call in calling:
            if call.done():
                call.result()
        harm.look()
        await asyncio.sleep(0.02)
    for story in fault.touched:
        moved = watch.moved(partition_of(story.session_id, PARTITIONS), fault.at, fault.at + OWNED_WITHIN_S)
        if fault.kind.startswith("orchestrator") and not moved:
            continue
        if waits := _waits(story, fault):
            fault.recoveries.append(max((wait.until or loop.time()) - max(fault.clock, wait.since) for wait in waits))
    return fault


def _waits(story: CallStory, fault: Fault, *, running: bool = False) -> list[Wait]:
    """Return the waits that a fault may have lengthened; only those that still run, if asked for."""
    return [
        wait
        for wait in story.waits
        if wait.since <= fault.clock + NOTICED_S
        and (wait.until is None or (not running and wait.until > fault.clock))
        and (wait.what == "the answer" or not fault.kind.startswith("worker"))
        and not (running and story.over)  # whoever gave up waits no more, and has waited in vain
    ]


def _told(fault: Fault, of: int, since_s: float) -> str:
    waits = ", ".join(f"{seconds:.2f}" for seconds in sorted(fault.recoveries))
    outcome = f"callers waited {waits} s" if waits else "nobody waited"
    return f"{fault.number:4}/{of}  {since_s:7.1f} s  {fault.kind:23}  {fault.target:15}  {outcome}"


async def _judge_all(bus: EventBus, stories: list[CallStory]) -> list[Judged]:
    """Judge every call; what is not at rest yet is given time for it."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SETTLED_WITHIN_S
    judged = [await judge(bus, story) for story in stories]
    while any(one.wrong for one in judged) and loop.time() < deadline:
        await asyncio.sleep(2.0)
        pairs = zip(judged, stories, strict=True)
        judged = [await judge(bus, story) if one.wrong else one for one, story in pairs]
    return judged


def _outcome(wanted: Chaos, folder: Path, broken: Sequence[str], rounds: Sequence[_Round]) -> Outcome:
    faults = [fault for one in rounds for fault in one.faults]
    stories = [story for one in rounds for story in one.stories]
    judged = [call for one in rounds for call in one.judged]
    broken = [*broken, *(fallen for one in rounds for fallen in one.fallen)]
    wrong: dict[str, list[str]] = {"lost": [], "doubled": [], "violated": broken}
    turns: dict[str, int] = {}
    for one in judged:
        for violation in one.wrong:
            wrong[category(violation)].append(f"{one.session_id}: {violation}")
        for kind, count in one.endings.items():
            turns[kind] = turns.get(kind, 0) + count
    kinds = sorted({fault.kind for fault in faults})
    return Outcome(
        seed=wanted.seed, faults=len(faults), calls=len(stories), turns=turns,
        facts=sum(one.facts for one in judged), reconnects=sum(story.connections - 1 for story in stories),
        recoveries={kind: recoveries_of([fault for fault in faults if fault.kind == kind]) for kind in kinds},
        of_redis=recoveries_of([fault for fault in faults if fault.target == LOG_SERVER]),
        of_others=recoveries_of([fault for fault in faults if fault.target != LOG_SERVER]),
        undisturbed=undisturbed_waits(stories, faults, BETWEEN_S), wrong=wrong, folder=str(folder),
    )  # fmt: skip
