"""A scripted caller: asks by keyboard, listens, interrupts, goes on, lets the line break, hangs up, and calls again.

Three of four callers say the next thing at the moment of a fault, whatever was going on: how long that takes to be
shown is how long the fault is noticed. What a caller asks is drawn from the seed; when, follows what the server does.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from random import Random

import httpx

from app.caller.messages import FinalTranscript, Hangup, ServerMessage, SessionOpened, State, TtsChunk, TypedText
from app.chaos.call_story import CallStory, Said, Wait
from app.chaos.line import Line

__all__ = ["FACTS", "Caller"]

FACTS = {
    "How old is the bridge?": "The bridge is ninety years old.",
    "Who built the tower?": "The tower was built by two brothers.",
    "When does the market open?": "The market opens at seven.",
    "Where is the museum?": "The museum is behind the church.",
    "How long is the river?": "The river is forty miles long.",
    "Who owns the bakery?": "The bakery belongs to Anna.",
    "How deep is the harbour?": "The harbour is nine metres deep.",
    "What does the ferry cost?": "The ferry costs two coins.",
    "Which colour has the lighthouse?": "The lighthouse is red and white.",
    "How many people live in the village?": "Six hundred people live in the village.",
    "Who is the mayor of the town?": "The mayor of the town is a fisherman.",
    "When does the library close?": "The library closes at noon.",
}
"""Questions, each with a short answer: one that is heard to its end takes two seconds."""

STUCK_S = 25.0
"""Longer than any wait that a working server can cause: the answer's deadline, an apology, and a frozen gateway."""
SAY_AGAIN_S = 0.3
"""After how long on a new connection what was said on the old one, and is not shown either, is said again."""
BEHAVIOURS = {"hear": 9, "interrupt": 6, "go on": 4, "break": 2, "post": 2}
"""What comes after a question, and how often of 23: the answer is heard to its end; the next question is typed over it;
the next question is typed while the server thinks; the line breaks; the next question comes from another program."""
HANG_UP_S = 0.3
"""After how long it is asked whether the server knows that the caller hung up."""
LOOK_S = 0.02
"""How often a caller looks whether what it waits for has come."""


class _Stuck(Exception):
    """The server owes this caller something, and does not pay."""


class Caller:
    """Makes one call after the other.

    Args:
        number: Among the callers.
        gateways: Addresses of them all.
        seed: Of what it does.
        on_over: Takes the story of each call when it is over.
    """

    def __init__(
        self, number: int, gateways: Sequence[str], seed: str, on_over: Callable[[CallStory], None]
    ) -> None:  # fmt: skip
        self._number = number
        self._gateways = gateways
        self._random = Random(seed)
        self._on_over = on_over
        self.story = CallStory("")
        self.line: Line | None = None
        self._call: _Call | None = None

    def hurry(self) -> None:
        """Have the caller say the next thing now, whatever it waits for."""
        if self._call is not None:
            self._call.hurried.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Call until told to stop; the last call is ended as any other."""
        while not stop.is_set():
            call = self._call = _Call(self._gateways, self._number, self._random)
            self.story, self.line = call.story, call.line
            await call.make(stop)
            self.line = None
            self._on_over(self.story)


class _Call:
    def __init__(self, gateways: Sequence[str], first: int, random: Random) -> None:
        self.story = CallStory(str(uuid.UUID(int=random.getrandbits(128), version=4)))
        self.line = Line(
            self.story.session_id, gateways, first,
            on_message=self._take, on_lost=self._lost, on_played=lambda: self._owe("the floor"),
        )  # fmt: skip
        self.story.got = self.line.got
        self.hurried = asyncio.Event()
        self._gateways = gateways
        self._random = random
        self._state, self._turn, self._sounding = "", 0, 0
        self._open_since = 0.0
        self._open = False
        self._asked_turn = 0

    async def make(self, stop: asyncio.Event) -> None:
        """Make the call; what goes wrong is in the story."""
        self._owe("the session")
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(self.line.keep())
            try:
                await self._talk(stop)
                await self._hang_up()
                self._pay(*{wait.what for wait in self.story.waits})
            except _Stuck as error:
                self.story.problems.append(str(error))
            finally:
                keeping.cancel()
        self.story.problems += self.line.problems
        self.story.connections = self.line.connections
        self.story.over = True

    # --- what is owed

    def _owe(self, what: str) -> None:
        if not any(wait.what == what and wait.until is None for wait in self.story.waits):
            self.story.waits.append(Wait(what, asyncio.get_running_loop().time()))

    def _pay(self, *names: str) -> None:
        now = asyncio.get_running_loop().time()
        for wait in self.story.waits:
            if wait.until is None and wait.what in names:
                wait.until = now

    def _lost(self) -> None:
        self._open = False
        self._owe("the session")

    def _take(self, message: ServerMessage) -> None:
        match message:
            case SessionOpened(payload=where):
                self._open, self._open_since = True, asyncio.get_running_loop().time()
                self._state, self._turn = where.state, where.turn
                self._pay("the session")
            case State(payload=where):
                self._state, self._turn = where.state, where.turn
            case FinalTranscript(text=text, turn=turn):
                for said in self.story.said:
                    if said.text in text and not said.event_id:
                        said.acknowledged, said.turn = True, said.turn or turn
            case TtsChunk(payload=chunk):
                self._sounding = max(self._sounding, chunk.turn)
            case _:
                return
        if self._state != "SPEAKING" and self._state != "INTERRUPT":
            self._pay("the floor")
        if all(said.acknowledged for said in self.story.said):
            self._pay("the words shown")
        if self._sounding >= self._asked_turn or (self._turn >= self._asked_turn and self._is_quiet()):
            self._pay("the answer")

    # --- what is done

    async def _talk(self, stop: asyncio.Event) -> None:
        await self._until(lambda: self._open)
        questions = self._random.sample(list(FACTS), len(FACTS))
        rounds = self._random.randint(4, len(questions) - 2)
        while len(questions) > 1 and rounds and not stop.is_set():
            rounds -= 1
            self.hurried.clear()
            said = await self._ask(questions.pop())
            behaviour = self._random.choices(list(BEHAVIOURS), list(BEHAVIOURS.values()))[0]
            pause_s = self._random.random()
            if behaviour == "go on":
                await self._pause(0.1 * pause_s)
                continue
            if behaviour == "post":
                said = await self._post(questions.pop())
            elif behaviour == "break":
                await self._pause(pause_s)
                self.line.cut()
            await self._until(partial(self._is_answered, said), or_hurried=True)
            if behaviour == "interrupt":
                await self._pause(1.5 * pause_s)
            else:
                await self._until(self._is_quiet, or_hurried=True)
        await self._until(self._is_quiet)

    def _is_answered(self, said: Said) -> bool:
        """Whether the turn of these words, or a later one, is heard or over."""
        return self._turn >= said.turn and (self._sounding >= self._turn or self._is_quiet())

    def _is_quiet(self) -> bool:
        return self._open and self._state in ("LISTENING", "IDLE")

    async def _ask(self, text: str) -> Said:
        said = Said(text)
        self.story.said.append(said)
        connection = 0
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not said.acknowledged:
            anew = self.line.connections != connection and loop.time() - self._open_since > SAY_AGAIN_S
            if self._open and (anew or not said.times):
                self._owe("the words shown")
                if await self.line.send(TypedText(text)):
                    said.times += 1
                    connection = self.line.connections
            self._check(began, f"{text!r} to be shown")
            await asyncio.sleep(LOOK_S)
        self._asked_turn = said.turn
        self._pay("the answer")  # of words before these: it is not wanted any more
        if not self._is_answered(said):
            self._owe("the answer")
        return said

    async def _post(self, text: str) -> Said:
        """Have another program say it: a recogniser of its own, that tries until it is told that it was heard."""
        said = Said(text, event_id=str(uuid.UUID(int=self._random.getrandbits(128), version=4)), turn=self._turn + 1)
        self.story.said.append(said)
        body = {
            "event_type": "voice.stt.final", "event_id": said.event_id, "source": "chaos",
            "payload": {"text": text, "confidence": 1.0, "origin": "typed"},
        }  # fmt: skip
        began = asyncio.get_running_loop().time()
        while not said.acknowledged:
            for url in self._gateways:
                try:
                    async with httpx.AsyncClient(base_url=url, timeout=1.0, trust_env=False) as http:
                        answer = await http.post(f"/sessions/{self.story.session_id}/events", json=body)
                except httpx.TransportError:
                    continue
                if answer.status_code == httpx.codes.ACCEPTED:
                    said.acknowledged = True
                    break
            self._check(began, f"{text!r} to be taken (POST)")
            await asyncio.sleep(LOOK_S)
        return said

    async def _hang_up(self) -> None:
        """Hang up, and see to it that the server knows: a gateway may die of it."""
        began = asyncio.get_running_loop().time()
        while not await self._is_ended():
            self.line.want(True)
            await self._until(lambda: self._open)
            self.line.want(not await self.line.send(Hangup()))
            await asyncio.sleep(HANG_UP_S)
            self._check(began, "the call to end")

    async def _is_ended(self) -> bool:
        for url in self._gateways:
            try:
                async with httpx.AsyncClient(base_url=url, timeout=1.0, trust_env=False) as http:
                    answer = await http.get(f"/sessions/{self.story.session_id}")
            except httpx.TransportError:
                continue
            if answer.is_success:
                return bool(answer.json()["substate"] == "ended")
        return False

    async def _until(self, holds: Callable[[], bool], *, or_hurried: bool = False) -> None:
        began = asyncio.get_running_loop().time()
        while not holds() and not (or_hurried and self.hurried.is_set()):
            waiting = ", ".join(wait.what for wait in self.story.waits if wait.until is None)
            self._check(began, waiting or f"more than {self._state} of turn {self._turn}")
            await asyncio.sleep(LOOK_S)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.hurried.wait(), seconds)

    def _check(self, began: float, what: str) -> None:
        if asyncio.get_running_loop().time() - began > STUCK_S:
            raise _Stuck(f"waited {STUCK_S:.0f} s for {what}")
