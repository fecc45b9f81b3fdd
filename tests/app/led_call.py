"""Leads a call on a virtual clock, as the orchestrator would, and keeps its log."""

from __future__ import annotations

import msgspec

from adapters.bus.port import LogEntry
from app.chart_version import CHART
from app.folding import Conversation, Folded
from app.replay.call_log import CallLog, LoggedFact, Outcome
from app.session_record import SessionRecord, derived_id
from statecharts.effects import CancelTimer, Effect, RequestAnswer, RequestIntent, Speak, StartTimer
from statecharts.events import (
    Connected,
    Event,
    IntentDetected,
    PlaybackDone,
    PlaybackStarted,
    RagAnswerReady,
    SpeechStarted,
    SpeechStopped,
    SttFinal,
    TimerFired,
    TtsChunkReady,
    TtsDone,
    to_envelope,
)
from statecharts.policy import Policy
from statecharts.possibilities import SAID

__all__ = ["SESSION", "LedCall", "plain"]

SESSION = "5f0c3c58-52a2-4ad8-9f5a-0d5f37a8c001"
LATE_S = 0.002
"""How late timers fire, as they do in a real process."""


class LedCall:
    """One call, fact by fact."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.conversation = Conversation(SessionRecord(session_id=SESSION), policy or Policy(), SAID)
        self.now = 1_795_000_000.0
        self.facts: list[LoggedFact] = []
        self.effects: list[Effect] = []
        self._timers: dict[str, float] = {}
        self._numbers = 0

    @property
    def log(self) -> CallLog:
        return CallLog(name="a call", session_id=SESSION, chart_version=CHART, facts=list(self.facts))

    def take(self, *events: Event, after_s: float = 0.0) -> LedCall:
        """Let time pass (timers fire on the way), then take facts."""
        until = self.now + after_s
        while self._timers:
            name, due = min(self._timers.items(), key=lambda timer: timer[1])
            if due + LATE_S > until:
                break
            self.now = due + LATE_S
            del self._timers[name]
            self._fold(TimerFired(name=name, event_id=derived_id(SESSION, name, due)))
        self.now = until
        for event in events:
            self._fold(event)
        return self

    def ask(self, text: str = "how old is the bridge", *, pause_s: float = 0.3) -> LedCall:
        """Say something, and be silent."""
        self.take(SpeechStarted(), after_s=0.5)
        self.take(SpeechStopped(silence_s=0.16), after_s=1.0)
        self.take(SttFinal(text=text, confidence=0.9), after_s=0.1)
        return self.take(after_s=pause_s)

    def answer(self, *sentences: str, audio_s: float = 2.0) -> LedCall:
        """The workers answer the latest request, the voice speaks all of it."""
        return self.find(*sentences).voice(audio_s)

    def voice(self, audio_s: float, *, after_s: float = 0.1) -> LedCall:
        """The voice speaks all that was asked for in this turn, each sentence `after_s` later than the last."""
        turn = self.conversation.chart.context.turn
        requests = [effect.request_id for effect in self.effects if isinstance(effect, Speak) and effect.turn == turn]
        for number, request_id in enumerate(requests):
            self.take(TtsChunkReady(turn=turn, audio_ms=audio_s * 1000, request_id=request_id), after_s=after_s)
            if not number:
                self.take(PlaybackStarted(turn=turn, played_s=0.0), after_s=0.02)
        return self.take(TtsDone(turn=turn, request_id=requests[-1]))

    def find(self, *sentences: str, after_s: float = 0.01) -> LedCall:
        """The workers answer the latest request."""
        intent, answer = self.intent, self.asked
        self.take(IntentDetected(intent="question", turn=intent.turn, request_id=intent.request_id), after_s=after_s)
        for number, sentence in enumerate(sentences, 1):
            last = number == len(sentences)
            self.take(
                RagAnswerReady(
                    text=sentence, is_final=last, turn=answer.turn, source="a.md", request_id=answer.request_id
                )
            )
        return self

    @property
    def intent(self) -> RequestIntent:
        """The latest request for an intent."""
        return next(effect for effect in reversed(self.effects) if isinstance(effect, RequestIntent))

    @property
    def asked(self) -> RequestAnswer:
        """The latest request for an answer."""
        return next(effect for effect in reversed(self.effects) if isinstance(effect, RequestAnswer))

    def hear(self, seconds: float) -> LedCall:
        """The client has played all of the answer after so many seconds."""
        turn = self.conversation.chart.context.turn
        return self.take(PlaybackDone(turn=turn), after_s=seconds)

    def _fold(self, event: Event) -> Folded:
        self._numbers += 1
        event = msgspec.structs.replace(event, timestamp=self.now, event_id=event.event_id or f"event-{self._numbers}")
        position = f"{round(self.now * 1000)}-{self._numbers}"
        envelope = to_envelope(event, SESSION, source="test")
        folded = self.conversation.fold(LogEntry(position=position, envelope=envelope), envelope)
        self._arm(folded)
        record = folded.record
        self.facts.append(
            LoggedFact(
                position=position, event_type=envelope.event_type, event_id=envelope.event_id,
                timestamp=envelope.timestamp, turn=envelope.turn, payload=envelope.payload,
                outcome=Outcome(
                    at=record.at, before=record.before, after=record.after,
                    effects=msgspec.to_builtins(record.effects), rules=record.rules,
                ),
            )
        )  # fmt: skip
        self.effects += folded.effects
        return folded

    def _arm(self, folded: Folded) -> None:
        for effect in folded.effects:
            if isinstance(effect, StartTimer):
                self._timers[effect.name] = folded.record.at + effect.delay_s
            elif isinstance(effect, CancelTimer):
                self._timers.pop(effect.name, None)


def plain(policy: Policy | None = None) -> LedCall:
    """A question and its answer, heard whole."""
    return LedCall(policy).take(Connected()).ask().answer("It opened in 1883.").hear(2.0)
