"""Drives a chart through virtual time: its own timers fire when they are due."""

from __future__ import annotations

import msgspec

from statecharts.effects import CancelTimer, Effect, StartTimer, StateChanged
from statecharts.events import Event, TimerFired
from statecharts.phrases import Phrases
from statecharts.policy import Policy
from statecharts.possibilities import SAID
from statecharts.stepping import RunningChart, Snapshot

__all__ = ["Drive"]


PLAIN = Policy(speculation="off", adaptive_end_of_turn=False)
"""What a turn leads to is the same whether it was guessed or not, and however long the silence before it was;
`test_speculation.py` and `test_endpointing.py` are about these."""


class Drive:
    """A chart, a clock that only moves when told, and everything the chart has asked for."""

    def __init__(
        self, policy: Policy | None = None, phrases: Phrases | None = None, snapshot: Snapshot | None = None
    ) -> None:
        self.chart = RunningChart(policy or PLAIN, phrases or SAID, snapshot)
        self.now = max(1000.0, self.chart.context.now)
        self.timers: dict[str, float] = dict(self.chart.context.timers)
        self.effects: list[Effect] = []

    @property
    def path(self) -> str:
        return f"{self.chart.state}.{self.chart.substate}"

    @property
    def states(self) -> list[str]:
        """The five states in the order they were entered."""
        changes = [effect for effect in self.effects if isinstance(effect, StateChanged)]
        return [change.new_state for change in changes if change.old_state != change.new_state]

    def take(self, event: Event, *, after_s: float = 0.0) -> list[Effect]:
        """Let time pass (timers fire on the way), then take an event."""
        self.wait(after_s)
        return self._step(msgspec.structs.replace(event, timestamp=self.now))

    def wait(self, seconds: float) -> None:
        """Let time pass; timers fire when they are due."""
        until = self.now + seconds
        while self.timers:
            name, due = min(self.timers.items(), key=lambda item: (item[1], item[0]))
            if due > until:
                break
            self.now = max(self.now, due)
            del self.timers[name]
            self._step(TimerFired(name=name, timestamp=self.now))
        self.now = until

    def asked(self, kind: type[Effect]) -> list[Effect]:
        """All effects of a class so far."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def _step(self, event: Event) -> list[Effect]:
        effects = self.chart.step(event)
        for effect in effects:
            if isinstance(effect, StartTimer):
                self.timers[effect.name] = self.now + effect.delay_s
            elif isinstance(effect, CancelTimer):
                self.timers.pop(effect.name, None)
        self.effects += effects
        return effects
