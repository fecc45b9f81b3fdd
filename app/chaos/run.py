"""Breaks it on purpose: roles apart, callers that talk, one fault after the other, and then the reading of the log.

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
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random

from msgspec import Struct

from adapters.bus.port import EventBus, partition_of
from app.caller.report import percentile
from app.chaos.call_story import CallStory, Wait
from app.chaos.caller import FACTS, Caller
from app.chaos.faults import LOG_SERVER, Fault, Harm, Plan, plan
from app.chaos.fleet import PARTITIONS, Fleet, LogServer, Role
from app.chaos.judging import Judged, category, judge
from app.chaos.story import keep_story
from app.chaos.watching import Watch
from app.task_errors import first_of_ours

__all__ = ["Chaos", "Outcome", "Recoveries", "chaos"]

NOTICED_S = 0.3
"""Waits that begin later than this after a fault do not count: they would only make it look shorter."""
BETWEEN_S = 1.0
"""Shortest time from one fault to the next."""
LEAD_IN_S = 3.0
"""How long callers talk undisturbed first."""
RECOVERED_WITHIN_S = 30.0
"""Longest wait for the calls to recover before the next fault; a caller gives up sooner."""
OWNED_WITHIN_S = 3.0
SETTLED_WITHIN_S = 30.0
"""Longest wait at the end for what workers left behind: it is handed out again after 15 s."""


class Recoveries(Struct, frozen=True, kw_only=True):
    """How long callers of one kind of fault were kept waiting, in seconds."""

    faults: int
    waits: int
    p50: float = 0.0
    p95: float = 0.0
    max: float = 0.0


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
    try:
        await fleet.start()
        assert fleet.watch is not None
        with first_of_ours():
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(fleet.watch.run())
                await fleet.wait_all_up()
                stories, faults, fallen = await _harm_all(wanted, fleet, tell)
                watching.cancel()
        tell(f"reading the log of {len(stories)} calls")
        bus = open_log(fleet.address)
        await bus.start()
        try:
            judged = await _judge_all(bus, stories)
            kept = [pair for pair in judged if wanted.keep_all or pair[0].wrong]
            files = {one.session_id: await keep_story(bus, folder, one, story) for one, story in kept}
        finally:
            await bus.close()
        broken = [*fleet.watch.wrong, *fallen]
        outcome = _outcome(wanted, folder, broken, stories, faults, [one for one, _ in judged])
        return outcome, [files[one.session_id] for one, _ in judged if one.wrong]
    finally:
        await fleet.stop()


def _knowledge(folder: Path) -> Path:
    """Write what the callers ask about."""
    made = folder / "knowledge"
    made.mkdir(parents=True, exist_ok=True)
    text = "\n\n".join(f"## {question}\n\n{answer}" for question, answer in FACTS.items())
    (made / "town.md").write_text(f"# The town\n\n{text}\n")
    return made


async def _harm_all(
    wanted: Chaos, fleet: Fleet, tell: Callable[[str], None]
) -> tuple[list[CallStory], list[Fault], list[str]]:
    stories: list[CallStory] = []
    faults: list[Fault] = []
    stop = asyncio.Event()
    began = asyncio.get_running_loop().time()
    callers = [
        Caller(number, fleet.gateways, f"{wanted.seed} {number}", stories.append) for number in range(wanted.callers)
    ]
    async with asyncio.TaskGroup() as group:
        calling = [group.create_task(caller.run(stop)) for caller in callers]
        async with asyncio.TaskGroup() as restarts:
            harm = Harm(fleet, callers, restarts)
            await asyncio.sleep(LEAD_IN_S)
            for number, planned in enumerate(plan(wanted.kills, Random(wanted.seed)), 1):
                faults.append(await _one(harm, number, planned, fleet.watch, calling))
                tell(_told(faults[-1], wanted.kills, faults[-1].at - began))
        stop.set()
    return stories, faults, harm.fallen


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


async def _judge_all(bus: EventBus, stories: list[CallStory]) -> list[tuple[Judged, CallStory]]:
    """Judge every call; what is not at rest yet is given time for it."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SETTLED_WITHIN_S
    judged = [(await judge(bus, story), story) for story in stories]
    while any(one.wrong for one, _ in judged) and loop.time() < deadline:
        await asyncio.sleep(2.0)
        judged = [(await judge(bus, story) if one.wrong else one, story) for one, story in judged]
    return judged


def _outcome(
    wanted: Chaos, folder: Path, broken: list[str], stories: list[CallStory], faults: list[Fault], judged: list[Judged]
) -> Outcome:
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
        recoveries={kind: _recoveries([fault for fault in faults if fault.kind == kind]) for kind in kinds},
        of_redis=_recoveries([fault for fault in faults if fault.target == LOG_SERVER]),
        of_others=_recoveries([fault for fault in faults if fault.target != LOG_SERVER]),
        undisturbed=_undisturbed(stories, faults), wrong=wrong, folder=str(folder),
    )  # fmt: skip


def _recoveries(faults: list[Fault]) -> Recoveries:
    return _figures(len(faults), [seconds for fault in faults for seconds in fault.recoveries])


def _undisturbed(stories: list[CallStory], faults: list[Fault]) -> Recoveries:
    times = [(fault.at, fault.clock + BETWEEN_S) for fault in faults]
    return _figures(
        0,
        [
            wait.until - wait.since
            for story in stories
            for wait in story.waits
            if wait.until is not None and not any(wait.since <= end and start <= wait.until for start, end in times)
        ],
    )  # fmt: skip


def _figures(faults: int, seconds: list[float]) -> Recoveries:
    if not seconds:
        return Recoveries(faults=faults, waits=0)
    return Recoveries(
        faults=faults, waits=len(seconds), p50=round(percentile(seconds, 0.5), 3),
        p95=round(percentile(seconds, 0.95), 3), max=round(max(seconds), 3),
    )  # fmt: skip
