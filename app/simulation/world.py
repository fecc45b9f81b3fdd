"""One run: a whole system on a loop of its own, things that go wrong in it, and what is left when it has healed."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections import Counter
from random import Random

import msgspec
from msgspec import Struct

from adapters.bus.codec import ordinal
from adapters.bus.port import partition_of
from app.folding import JournalRecord
from app.gateway.call import ERASED
from app.history.checking import History, Violation, check, check_commits, endings
from app.history.records import acted_on
from app.session_record import SessionRecord
from app.simulation.caller import Caller
from app.simulation.faults import MIN_IDLE_S, Faults, Line, Trace
from app.simulation.hosts import Code, Host
from app.simulation.loop import Process, SimulatedLoop, Stuck
from app.simulation.wire import Far
from statecharts.events import SessionStarted
from statecharts.policy import Policy

__all__ = ["Outcome", "simulate"]

PARTITIONS = 2
LEASE_S = 1.0
CALM_S = 0.3
"""How long nothing may happen before a run counts as at rest."""
LIMIT_S = 120.0
"""A run that has not come to rest so long after the last fault never will."""
ACTS = (*[(1,), (2,)] * 4, (1, 1))
"""How many things each caller does in a run. Longer runs find no more in the same time, and tell more."""
_PATIENT = {"away"}
"""Timers that may run in a conversation at rest."""
_RULES: tuple[dict[str, object], ...] = (
    {},
    {"speculation": "off", "filler_after_s": 0.2},
    {"speculation": "text", "withdraw_s": 0.0, "barge_in_min_words": 2},
    {"greeting_after_s": 0.3, "pausable": False},
)  # fmt: skip
"""What the rules of runs differ in."""
_RECORDS = msgspec.json.Decoder(JournalRecord)


def _policy(changes: dict[str, object]) -> Policy:
    """Return rules with short waits: waiting proves nothing."""
    short: dict[str, object] = {
        "end_of_turn_s": 0.2, "end_of_turn_min_s": 0.1, "end_of_turn_max_s": 0.4, "final_wait_s": 0.5,
        "hearing_max_s": 1.5, "answer_deadline_s": 0.8, "apology_wait_s": 0.5, "intent_wait_s": 0.2,
        "barge_in_speech_s": 0.2, "false_interruption_s": 0.4, "interrupt_max_s": 1.5, "heard_wait_s": 0.3,
        "playout_margin_s": 0.3, "stall_s": 0.6, "resume_s": 3.0,
    }  # fmt: skip
    return msgspec.convert({**short, **changes}, Policy)


def _session_id(random: Random) -> str:
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


_POLICIES = tuple(_policy(dict(rules)) for rules in _RULES)


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of one seed."""

    seed: int
    violations: list[Violation]
    faults: dict[str, int]
    """How many of each kind were injected."""
    facts: int
    """Of all sessions, as folded."""
    endings: dict[str, int]
    """How the callers' turns ended."""
    virtual_s: float
    lines: list[Line]
    """What happened, line by line."""
    histories: list[History]
    """What was left of the sessions."""

    @property
    def hash(self) -> str:
        """Of all that happened: the same seed has the same, always and everywhere."""
        digest = hashlib.blake2b(digest_size=12)
        for line in self.lines:
            digest.update(f"{line.at} {line.who} {line.what}\n".encode())
        for history in self.histories:
            digest.update(msgspec.json.encode([history.entries, history.journal, history.obeyed]))
        return digest.hexdigest()


def simulate(seed: int, code: Code | None = None) -> Outcome:
    """Run one seed to its end and judge it.

    Args:
        seed: Chooses everything that could be one way or another.
        code: What runs in the processes, if it is not the real code alone.
    """
    return _World(seed, code or Code()).run()


class _World:
    def __init__(self, seed: int, code: Code) -> None:
        random = Random(seed)
        self._seed = seed
        self._loop = loop = SimulatedLoop(random)
        self._trace = Trace(loop.time)
        self._faults = Faults(random, loop, self._trace)
        self._faults.on_kill, self._faults.on_leave = self._killed, self._left
        self._bus = code.bus(PARTITIONS, lease_s=LEASE_S, min_idle_s=MIN_IDLE_S, clock=loop.unix_time)
        self._far = far = Far(self._bus, loop, random, self._trace, self._faults)
        self._failures: list[str] = []
        self._killed_ones: list[Process] = []
        policy = random.choice(_POLICIES)
        machines = {"orchestrator": 2, "worker": random.choice((1, 1, 2)), "gateway": random.choice((1, 2))}
        self._hosts = [
            Host(f"{role}-{number}", far, code, policy, self._failures.append)
            for role, most in machines.items()
            for number in range(1, most + 1)
        ]
        gateways = [host for host in self._hosts if host.name.startswith("gateway")]
        acts = random.choice(ACTS)
        self._callers = [
            Caller(f"caller-{number}", _session_id(random), gateways, loop, random, self._trace, each)
            for number, each in enumerate(acts, 1)
        ]

    def run(self) -> Outcome:
        """Run, judge, and clear away."""
        loop = self._loop
        loop.set_exception_handler(lambda *_: None)  # what the dead leave behind is no error of anybody's
        stuck = ""
        try:
            stuck = loop.complete(self._live())
        except Stuck as error:
            stuck = str(error)
        virtual_s = loop.time()
        self._faults.running = False
        outcome = self._judge(stuck, virtual_s)
        self._clear()
        return outcome

    async def _live(self) -> str:
        """Lead all calls, let everything heal, wait until it is quiet; return what is wrong with that."""
        for host in self._hosts:
            host.start()
        for task in [self._loop.spawn(caller.process, caller.run(), "caller") for caller in self._callers]:
            await task
        self._faults.heal()
        self._trace.add("", "nothing goes wrong any more")
        limit, known = self._loop.time() + LIMIT_S, self._happened
        while self._loop.time() < limit:
            for task in [self._loop.spawn(caller.process, caller.look(), "caller") for caller in self._callers]:
                await task
            await asyncio.sleep(CALM_S)
            if known == (known := self._happened) and not self._unrest():
                return ""
        return f"{LIMIT_S:g} s after the last fault {self._unrest() or 'facts are still published'}"

    @property
    def _happened(self) -> tuple[int, int]:
        """How many facts there are, and commits."""
        return sum(len(part.log) for part in self._bus.parts), len(self._far.commits)

    def _unrest(self) -> str:
        """Return what is not at rest."""
        if any(host.process.frozen or not host.process.alive for host in self._hosts):
            return "a process stands still"
        if any(part.log and ordinal(part.offset) < ordinal(part.log[-1].position) for part in self._bus.parts):
            return "facts are not folded"
        if self._bus.unsettled:
            return f"{self._bus.unsettled} requests are not settled"
        if not all(host.gateway.silent for host in self._hosts if host.gateway is not None):
            return "a gateway has facts to publish"
        for part in self._bus.parts:
            for blob in part.snapshots.values():
                if waiting := set(SessionRecord.decode(blob).context.timers) - _PATIENT:
                    return f"{', '.join(sorted(waiting))} run"
        return ""

    def _killed(self, process: Process) -> None:
        self._killed_ones.append(process)
        next(host for host in self._hosts if host.process is process).restart_soon()

    def _left(self, process: Process) -> None:
        next(host for host in self._hosts if host.process is process).leave()

    def _judge(self, stuck: str, virtual_s: float) -> Outcome:
        kept = [caller for caller in self._callers if not caller.deleted]
        histories = [self._history(caller, finished=not stuck) for caller in kept]
        violations = [violation for history in histories for violation in check(history)]
        violations += [wrong for caller in self._callers if caller.deleted for wrong in self._left_over(caller)]
        violations += check_commits(self._far.commits)
        violations += [Violation(rule="no role ends by itself", detail=failure) for failure in self._failures]
        if stuck:
            violations.append(Violation(rule="everything comes to rest", detail=stuck))
        violations += [wrong for caller in kept for wrong in self._presence(caller)]
        return Outcome(
            seed=self._seed, violations=violations, faults=dict(self._faults.injected),
            facts=sum(len(history.journal) for history in histories),
            endings=dict(Counter(ending.kind for history in histories for ending in endings(history))),
            virtual_s=round(virtual_s, 3), lines=self._trace.lines,
            histories=histories,
        )  # fmt: skip

    def _history(self, caller: Caller, *, finished: bool) -> History:
        session_id = caller.session_id
        part = self._bus.parts[partition_of(session_id, PARTITIONS)]
        own = f'"session_id":"{session_id}"'.encode()
        gateways = [host.gateway for host in self._hosts if host.gateway is not None]
        held = [call.name for gateway in gateways if (call := gateway.held(session_id)) is not None]
        return History(
            session_id=session_id,
            entries=[entry for entry in part.log if entry.envelope and entry.envelope.session_id == session_id],
            journal=[_RECORDS.decode(data) for _, data in part.journal if own in data],
            acknowledged=[event_id for session, event_id in self._far.acknowledged if session == session_id],
            obeyed=[obeyed for session, obeyed in self._far.obeyed if session == session_id],
            alive=frozenset(held), finished=finished,
        )  # fmt: skip

    def _left_over(self, caller: Caller) -> list[Violation]:
        """Return what is still kept of a call that was to be deleted."""
        part = self._bus.parts[partition_of(caller.session_id, PARTITIONS)]
        history = self._history(caller, finished=True)
        blob, erased = part.snapshots.get(caller.session_id), self._far.erased.get(caller.session_id)
        facts = (history.facts.get(record.position) for record in history.journal if acted_on(record))
        wanted = any(fact is not None and fact.payload.get("reason") == ERASED for fact in facts)
        if not wanted and erased != part.epoch:
            return []  # the wish never came to be heard; or a later owner does not know of it, and keeps what came late
        if history.journal and history.journal[0].event_type == SessionStarted.event_type and not wanted:
            return []  # a gateway that stood still began it anew, with a client that has left since
        left = [*(f"{record.event_type} in the journal" for record in history.journal)]
        left += [f"{fact.event_type} in the log" for fact in history.facts.values()]
        left += ["its state"] if blob is not None else []
        if not left:
            return []
        detail = f"{', '.join(left[:3])} and {len(left) - 1} more of {caller.process.name}"
        return [Violation(rule="what is deleted is gone", detail=detail, session_id=caller.session_id)]

    def _presence(self, caller: Caller) -> list[Violation]:
        """Return what the conversation does not know of its client: whether it is there, and where."""
        blob = self._bus.parts[partition_of(caller.session_id, PARTITIONS)].snapshots.get(caller.session_id)
        if caller.hung_up or blob is None:
            return []
        record = SessionRecord.decode(blob)
        if record.context.connected and record.gateway == caller.gateway:
            return []
        told = f"connected to {record.gateway}" if record.context.connected else "gone"
        detail = f"{caller.process.name} is connected to {caller.gateway}, the conversation takes it for {told}"
        return [Violation(rule="a client that is there is heard", detail=detail, session_id=caller.session_id)]

    def _clear(self) -> None:
        """End what still runs, the dead as well: each task wants to be ended before it is forgotten."""
        loop = self._loop
        self._faults.heal()
        for process in (*self._killed_ones, *(host.process for host in self._hosts)):
            process.alive = True
            loop.thaw(process)
        loop.end_all()
        loop.close()
