"""A simulated client's line to a gateway: it breaks, is dropped, and is taken up again at another one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

from adapters.bus.port import BusUnavailable
from app.simulation.call import SimulatedCall
from app.simulation.faults import Trace
from app.simulation.hosts import Host, SimulatedGateway
from app.simulation.loop import Process, SimulatedLoop
from statecharts.events import Event

__all__ = ["ClientLine"]

PATIENCE_S = 1.0
"""After which a client takes a gateway that says nothing for dead."""


class ClientLine:
    """Where a client is connected to.

    Args:
        name: Of the client.
        session_id: Of its call.
        gateways: Where it may connect.
        loop: Whose time counts.
        random: Which gateway it tries.
        trace: Where it is told.
    """

    def __init__(
        self, name: str, session_id: str, gateways: list[Host], loop: SimulatedLoop, random: Random, trace: Trace
    ) -> None:
        self._name = name
        self._session_id = session_id
        self._gateways = gateways
        self._loop = loop
        self._random = random
        self._trace = trace
        self._reports = random.random() < 0.8
        self._attempt = 0
        self._at: Process | None = None
        self.call: SimulatedCall | None = None
        """The one it is connected to now."""

    @property
    def ended(self) -> bool:
        """Whether the call was ended, by whomever."""
        return self.call is not None and self.call.ended

    @property
    def gateway(self) -> str:
        """The name of the gateway that it is connected to."""
        return self._at.name if self._at is not None else ""

    async def connect(self) -> None:
        """Try one gateway after the other until one says where the conversation stands."""
        while True:
            host = self._random.choice(self._gateways)
            self._at, self._attempt, self.call = host.process, self._attempt + 1, None
            self._trace.add(self._name, f"connects to {host.process.name}")
            self._loop.call_soon(self._knock, host, self._attempt, context=host.process.context)
            for _ in range(10):
                await asyncio.sleep(PATIENCE_S / 10)
                if self.call is not None and (self.call.welcomed.is_set() or self.call.ended):
                    return
            self._hang("it says nothing")

    def _knock(self, host: Host, attempt: int) -> None:
        """Ask to be taken in; in the gateway's process."""
        self._loop.spawn(host.process, self._accept(host, attempt), "accept")

    async def _accept(self, host: Host, attempt: int) -> None:
        gateway, process = host.gateway, host.process
        assert gateway is not None

        def make() -> SimulatedCall:
            call = SimulatedCall(
                f"{gateway.name}/{self._name}.{attempt}", self._session_id, self._publisher(gateway), self._random,
                reports=self._reports,
            )  # fmt: skip
            call.on_obey = lambda effects, position: host.note(call, effects, position)
            for work in (call.voice.speak(), call.voice.play()):
                self._loop.spawn(process, work, call.session_id)
            return call

        try:
            call, is_new, elsewhere = await gateway.take_in(self._session_id, make)
        except BusUnavailable:
            return  # the client comes again
        call.attach(is_new=is_new, elsewhere=elsewhere)
        if attempt == self._attempt:
            self.call = call
        else:
            call.detach("it has not waited")

    def _publisher(self, gateway: SimulatedGateway) -> Callable[[Event], None]:
        def publish(event: Event) -> None:
            gateway.publish(self._session_id, event)

        return publish

    async def linked(self) -> bool:
        """See whether the gateway is still there and ours; if not, find another. Return whether the call is on."""
        process, pong = self._at, asyncio.Event()
        assert process is not None
        self._loop.call_soon(pong.set, context=process.context)
        for _ in range(10):
            await asyncio.sleep(0.0)
            if pong.is_set():
                break
            await asyncio.sleep(PATIENCE_S / 10)
        if not pong.is_set() or self.call is None or (self.call.over and not self.call.ended):
            self._hang("the gateway does not answer" if not pong.is_set() else "it was closed")
            await self.connect()
        return not self.ended

    async def come_again(self) -> None:
        self._hang("it goes away")
        await asyncio.sleep(self._random.random())
        await self.connect()

    def _hang(self, why: str) -> None:
        """Drop the line; the gateway notices, when it can."""
        self._trace.add(self._name, f"drops the line: {why}")
        self._attempt += 1
        if self._at is not None and self.call is not None:
            self._loop.call_soon(self.call.detach, why, context=self._at.context)

    def send(self, event: Event) -> None:
        """Send something to the gateway, which takes it as soon as it runs."""
        if self.call is not None and self._at is not None and not self.call.over:
            self._loop.call_soon(self.call.hear, event, context=self._at.context)
