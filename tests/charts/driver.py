"""Drives a chart through virtual time: its own timers fire when they are due."""

from __future__ import annotations

import msgspec

from statecharts.effects import CancelTimer, Effect, Playout, StartTimer, StateChanged
from statecharts.events import (
    Connected,
    Event,
    IntentDetected,
    PlaybackStarted,
    RagAnswerReady,
    SpeechStarted,
    SpeechStopped,
    SttFinal,
    TimerFired,
    TtsChunkReady,
    TtsDone,
)
from statecharts.phrases import Phrases
from statecharts.policy import Policy
from statecharts.possibilities import SAID
from statecharts.stepping import RunningChart, Snapshot

__all__ = ["Drive", "actions", "answered", "asked", "speaking"]


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


def asked(drive: Drive, text: str = "how old is the bridge", seconds: float = 1.0) -> Drive:
    """A caller connects if need be, and asks; the drive is in THINKING."""
    if drive.chart.state == "IDLE":
        drive.take(Connected())
    drive.take(SpeechStarted(), after_s=0.5)
    drive.take(SpeechStopped(silence_s=0.16), after_s=seconds)
    drive.take(SttFinal(text=text, confidence=0.9), after_s=0.1)
    drive.wait(0.3)
    assert drive.path == "THINKING.working", drive.path
    return drive


def answered(drive: Drive, *sentences: str, audio_s: float = 2.0, intent: str = "question") -> Drive:
    """The answer is found and its first sentence is on its way; the drive is in SPEAKING."""
    turn = drive.chart.context.turn
    drive.take(IntentDetected(intent=intent, turn=turn))
    for number, sentence in enumerate(sentences, 1):
        last = number == len(sentences)
        drive.take(RagAnswerReady(text=sentence, is_final=last, turn=turn, source="bridge.md", score=0.9))
    for number, _ in enumerate(sentences, 1):
        chunk = TtsChunkReady(turn=turn, audio_ms=audio_s * 1000, request_id=f"{turn}.answer.{number}")
        drive.take(chunk, after_s=0.1)
    drive.take(TtsDone(turn=turn))
    return drive


def speaking(policy: Policy | None = None, *, audio_s: float = 5.0, heard_s: float = 2.0) -> Drive:
    """An answer of two sentences is being heard."""
    drive = answered(asked(Drive(policy)), "Once there was a fox.", "It lived in a wood.", audio_s=audio_s)
    drive.take(PlaybackStarted(turn=1, played_s=0.0))
    drive.wait(heard_s)
    return drive


def actions(drive: Drive) -> list[str]:
    """What the player was told, in order."""
    return [effect.action for effect in drive.effects if isinstance(effect, Playout)]
