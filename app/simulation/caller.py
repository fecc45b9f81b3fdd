"""A simulated caller: says things, goes on, interrupts, falls silent, and comes back when a line breaks."""

from __future__ import annotations

import asyncio
from random import Random

from app.gateway.call import ERASED
from app.simulation.faults import Trace
from app.simulation.hosts import Host
from app.simulation.line import ClientLine
from app.simulation.loop import Process, SimulatedLoop
from statecharts.events import (
    KeyPressed,
    MicMuted,
    MicUnmuted,
    SessionEnded,
    SpeechStarted,
    SpeechStopped,
    SttFailed,
    SttFinal,
    SttPartial,
)

__all__ = ["Caller"]

SILENCE_S = 0.16
"""Silence after which a voice counts as ended."""


class Caller:
    """One client and the person behind it.

    Args:
        session_id: Of the call.
        gateways: Where it may connect.
        random: What it does, and when.
        acts: How many things it does before it hangs up.
    """

    def __init__(
        self, name: str, session_id: str, gateways: list[Host], loop: SimulatedLoop, random: Random, trace: Trace,
        acts: int,
    ) -> None:  # fmt: skip
        self.process = Process(name)
        self._acts = acts
        self.session_id = session_id
        self._name = name
        self._random = random
        self._trace = trace
        self._words = 0
        self._line = ClientLine(name, session_id, gateways, loop, random, trace)
        self.deleted = False
        """It wanted nothing to be kept."""

    @property
    def gateway(self) -> str:
        """The name of the gateway that it is connected to."""
        return self._line.gateway

    @property
    def hung_up(self) -> bool:
        """Whether the call was ended, by whomever."""
        return self._line.ended

    async def run(self) -> None:
        """Lead the call to its end."""
        await self._line.connect()
        for _ in range(self._acts):
            await asyncio.sleep(self._random.choice((0.05, 0.1, 0.3, 0.6)) * self._random.random())
            if await self._line.linked():
                await self._act()
            if self.hung_up:
                return
        await asyncio.sleep(self._random.random() * 0.6)
        if self._random.random() < 0.4 and await self._line.linked():
            self.deleted = self._random.random() < 0.2
            self._trace.add(self._name, "wants all of it deleted" if self.deleted else "hangs up")
            self._line.send(SessionEnded(reason=ERASED if self.deleted else "hangup"))

    async def look(self) -> None:
        """See whether the line still holds; if not, come again."""
        if not self.hung_up and not self.deleted:
            await self._line.linked()

    async def _act(self) -> None:
        act = self._random.random()
        if act < 0.4:
            self._type(self._phrase())
        elif act < 0.75:
            await self._speak(self._phrase())
        elif act < 0.82:
            await self._speak("")
        elif act < 0.88:
            self._line.send(KeyPressed())
            self._type("DTMF: 1#")
        elif act < 0.92:
            self._line.send(MicMuted())
            self._line.send(MicUnmuted())
        else:
            await self._line.come_again()

    def _phrase(self) -> str:
        self._words += 1
        kind = self._random.random()
        return f"{'hello' if kind < 0.1 else 'poison' if kind < 0.15 else 'question'} {self._words} of {self._name}"

    def _type(self, text: str) -> None:
        self._trace.add(self._name, f"types {text!r}")
        self._line.send(SttFinal(text=text, confidence=1.0, origin="typed"))

    async def _speak(self, text: str) -> None:
        """Say something; if the line breaks meanwhile, the rest of it is not heard."""
        call = self._line.call
        self._trace.add(self._name, f"says {text!r}" if text else "coughs")
        self._line.send(SpeechStarted())
        await asyncio.sleep(0.05 + self._random.random() * 0.3)
        if text and self._random.random() < 0.4:
            self._line.send(SttPartial(text=text.rsplit(" ", 2)[0], confidence=0.8))
        await asyncio.sleep(self._random.random() * 0.2)
        if not await self._line.linked() or self._line.call is not call:
            return
        self._line.send(SpeechStopped(silence_s=SILENCE_S, duration_s=0.5))
        await asyncio.sleep(self._random.random() * 0.3)
        if self._line.call is call:
            failed = self._random.random() < 0.05
            self._line.send(SttFailed(error="as simulated") if failed else SttFinal(text=text, confidence=0.9))
