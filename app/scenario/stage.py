"""Runs a scenario: the real call code on virtual time, with scripted models and a scripted caller."""

from __future__ import annotations

import asyncio
import uuid

import msgspec

from adapters.bus.memory import MemoryBus
from adapters.media.port import FedLeg, PeerLeg
from app.caller.messages import ClientMessage, Hangup, KeyPresses, Playback, TypedText, encode
from app.dialogue.reading import DELIVERED, read_phrases
from app.folding import JournalRecord
from app.gateway.call import Call
from app.gateway.keypad import PAUSE_S
from app.gateway.services import CallServices, Message, Send
from app.replay.call_log import CallLog, read_log
from app.runtime import Parts, Runtime
from app.scenario.format import HangsUp, Keys, Scenario, Types
from app.scenario.judging import Outcome, judge
from app.scenario.models import (
    ScriptedActivity,
    ScriptedAnswerer,
    ScriptedIntents,
    ScriptedRecogniser,
    ScriptedVoice,
)
from app.scenario.observing import observe
from app.scenario.script import Script
from app.scenario.speaker import ScriptedPlayer, ScriptedSpeaker
from app.scenario.virtual_time import EPOCH_S, VirtualLoop, run
from app.session_record import SessionRecord

__all__ = ["log_scenario", "run_scenario"]

FRAME_S = 0.2
"""Longest piece of microphone audio: less than a client may send at once."""
LOOK_EVERY_S = 0.1
"""How often it is looked whether anything is left to happen."""
LIMIT_S = 600.0
"""A call that has not come to rest so long after the caller's last act never will."""
RETENTION_S = 10 * 86_400.0
"""Nothing of a run is trimmed."""


def run_scenario(scenario: Scenario) -> Outcome:
    """Run one scenario on a loop of its own and judge it."""
    return run(_Stage(scenario).run())[0]


def log_scenario(scenario: Scenario) -> CallLog:
    """Run one scenario and return the log of its call, as one of a real call is."""
    log = run(_Stage(scenario).run())[1]
    assert log is not None  # the caller connects, which is a fact
    return log


class _Socket:
    """The caller's end of the messages: nothing in a scenario depends on them."""

    async def send(self, message: Message) -> None:
        """Take a message."""

    def end(self, code: int, reason: str) -> None:
        """Take note that the call is over."""


class _Stage:
    """One run."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._script = Script(scenario)
        self._began_at = 0.0
        self._acting = True
        self._call: Call | None = None
        self._answerer = ScriptedAnswerer(scenario.answers, self._now)
        self._player = ScriptedPlayer(self._now, self._report)

    def _now(self) -> float:
        return asyncio.get_running_loop().time() - self._began_at

    async def run(self) -> tuple[Outcome, CallLog | None]:
        """Run to the end; return the verdict and the log of the call."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        bus, session_id = MemoryBus(partitions=1, clock=loop.unix_time), str(uuid.uuid4())
        runtime = Runtime(
            bus=bus, roles=("gateway", "orchestrator", "workers"), mirrored=False, retention_s=RETENTION_S,
            clock=loop.unix_time, back_off_spread=0.0,
        )  # fmt: skip
        started = asyncio.Event()
        background = [
            asyncio.create_task(runtime.run(self._parts(), started)),
            asyncio.create_task(self._player.run()),
        ]
        try:
            await started.wait()
            while await runtime.missing():  # noqa: ASYNC110 - nobody is told when the last role has announced itself
                await asyncio.sleep(LOOK_EVERY_S)
            assert runtime.gateway is not None
            call = self._call = await runtime.gateway.open_call(session_id)
            await call.transports.attach_socket(_Socket())
            self._began_at = loop.time()
            background += [asyncio.create_task(self._speak(call)), asyncio.create_task(self._act(call))]
            problem = await self._rest(bus, session_id, background)
            _raise_from(background)
            ended_at = loop.time()
            journal = [msgspec.json.decode(data, type=JournalRecord) for data in await bus.journal(session_id)]
            zero, until = EPOCH_S + self._began_at, EPOCH_S + ended_at
            observed = observe(journal, self._player.audible(), zero, until)
            log = await read_log(bus, session_id, self._scenario.title)
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
        return judge(self._scenario, observed, problem), log

    def _parts(self) -> Parts:
        policy = self._scenario.policy.to_policy(pausable=self._scenario.speaker.pausable)
        services = CallServices(
            activity=lambda: ScriptedActivity(self._script),
            recogniser=ScriptedRecogniser(self._script, self._now),
            voices=(ScriptedVoice(self._answerer), ScriptedVoice(self._answerer, 1)),
            policy=policy,
            fed_leg=self._leg,
            peer_leg=_no_peer,
        )
        return Parts(
            policy=policy, phrases=read_phrases(DELIVERED, "en"), call_services=services, classifier=ScriptedIntents(),
            answerer=self._answerer,
        )  # fmt: skip

    def _leg(self, send: Send) -> FedLeg:
        return ScriptedSpeaker(self._player)

    async def _report(self, report: Playback) -> None:
        if self._scenario.speaker.reports:
            await self._say(report)

    async def _say(self, message: ClientMessage) -> None:
        if self._call is not None:
            await self._call.hear_message(encode(message))

    async def _until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - self._now()))

    async def _speak(self, call: Call) -> None:
        """Send the microphone's audio, always up to date when the script says that something is heard."""
        sent_s, instants = 0.0, list(self._script.instants)
        while not call.over:
            while instants and instants[0] <= sent_s:
                instants.pop(0)
            due = min([sent_s + FRAME_S, *instants[:1]])
            await self._until(due)
            if pcm := self._script.audio(sent_s, due):
                await call.hear_frame(pcm)
            sent_s = due

    async def _act(self, call: Call) -> None:
        """Do what the caller does beside speaking."""
        acts = [act for act in self._scenario.caller if isinstance(act, Types | Keys | HangsUp)]
        entered_at = 0.0
        for act in sorted(acts, key=lambda act: act.at):
            await self._until(act.at)
            match act:
                case Types():
                    await self._say(TypedText(act.types))
                case Keys():
                    await self._say(KeyPresses(act.keys))
                    entered_at = act.at + PAUSE_S
                case HangsUp() if act.hangs_up:
                    await self._say(Hangup())
        await self._until(max(entered_at, self._script.ends_at))
        self._acting = False

    async def _rest(self, bus: MemoryBus, session_id: str, background: list[asyncio.Task[None]]) -> str:
        """Wait until the run is over; return what is wrong with its end, or nothing."""
        if self._scenario.run_until_s:
            await self._until(self._scenario.run_until_s)
            return ""
        last = max([act.at for act in self._scenario.caller if isinstance(act, Types | Keys | HangsUp)], default=0.0)
        limit = max(last, self._script.ends_at) + LIMIT_S
        while self._now() < limit:
            await asyncio.sleep(LOOK_EVERY_S)
            _raise_from(background)
            if self._acting or not self._player.silent or self._answerer.running:
                continue
            blob = await bus.snapshot(session_id)
            if blob is not None and not set(SessionRecord.decode(blob).context.timers) - {"away"}:
                return ""
        return f"the call did not come to rest within {LIMIT_S:g} s"


def _raise_from(tasks: list[asyncio.Task[None]]) -> None:
    """Raise what ended a task before its time, if anything did."""
    for task in tasks:
        if task.done():
            task.result()


def _no_peer(**_: object) -> PeerLeg:
    raise RuntimeError("the caller of a scenario makes no peer connection")
