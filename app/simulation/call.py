"""What a simulated gateway holds of a call: its client comes and goes, and what is asked of it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

import msgspec

from app.simulation.voice import SimulatedVoice
from statecharts.events import MOVED, Connected, Disconnected, Event, SessionStarted

__all__ = ["SimulatedCall"]


class SimulatedCall:
    """One session in one gateway, instead of `app.gateway.call.Call`.

    Args:
        name: Begins the ids of its facts.
        session_id: Whose.
        publish: Takes each fact.
        random: How long the voice takes, and when it fails.
        reports: Whether its client says what it played.
    """

    def __init__(
        self, name: str, session_id: str, publish: Callable[[Event], None], random: Random, *, reports: bool
    ) -> None:
        self.session_id = session_id
        self.over = self.ended = False
        self.busy = False
        self.on_obey: Callable[[list[dict[str, object]], str], None] = lambda effects, position: None
        """Told of each command."""
        self.on_over: Callable[[], None] = lambda: None
        """Told when the call is nobody's here any more."""
        self.welcomed: asyncio.Event = asyncio.Event()
        self.ours = False
        """Whether it was welcomed once."""
        self.name = name
        self._publish = publish
        self._number = 0
        self._connect_id = ""
        self._present = False
        self.voice = SimulatedVoice(self.hear, random, reports=reports)

    # --- the client

    def attach(self, *, is_new: bool, elsewhere: bool) -> None:
        """A client is there.

        Args:
            is_new: Whether the session has to be started first.
            elsewhere: Whether another gateway may hold the client still.
        """
        self._present = True
        self.welcomed.clear()
        if is_new:
            self.hear(SessionStarted(transport="simulated"))
        if elsewhere:
            self.hear(Disconnected(reason=MOVED))
        self._connect_id = self.hear(Connected(transport="simulated"))

    def detach(self, reason: str) -> None:
        """The client is gone; before it was welcomed, that is told when it would have been."""
        self._present = False
        if not self.over and self.welcomed.is_set():
            self.hear(Disconnected(reason=reason))

    def hear(self, event: Event) -> str:
        """Publish a fact; return its id."""
        self._number += 1
        event = msgspec.structs.replace(event, event_id=f"{self.name}/{self._number}")
        self._publish(event)
        return event.event_id

    # --- what a gateway needs of a call

    async def move_away(self) -> None:
        """The client is at another gateway."""
        self.over = True
        self.on_over()

    async def obey(self, effects: list[dict[str, object]], position: str) -> None:
        """Carry out what the orchestrator asks, in order."""
        if not self.ours and not any(effect.get("event_id") == self._connect_id for effect in effects):
            return
        self.ours = True
        self.on_obey(effects, position)
        for effect in effects:
            self._obey(effect)

    def _obey(self, effect: dict[str, object]) -> None:
        match effect.get("effect"):
            case "Welcome" if effect.get("event_id") == self._connect_id:
                self.welcomed.set()
                if not self._present:
                    self.hear(Disconnected(reason="it left before it was greeted"))
            case "TakenForGone" if self._present and self.welcomed.is_set():
                self.hear(Connected(transport="simulated", still=True))
            case "EndSession" | "TakenOver" as why:
                self.over, self.ended = True, why == "EndSession"
                self.on_over()
            case _:
                self.voice.obey(effect)

    def abandon(self) -> None:
        """Let the client go: the call is broken."""
        self.over = True
