"""What the chart costs: per event, per start, per idle session; beside python-statemachine itself, in the same run."""

from __future__ import annotations

import gc
import time
import tracemalloc
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from statistics import median
from typing import TypeVar

import msgspec
from msgspec import Struct

from adapters.bus.port import LogEntry
from app.caller.report import percentile
from app.folding import Conversation
from app.session_record import SessionRecord
from statecharts.effects import Effect, RequestAnswer, RequestIntent, Speak
from statecharts.events import (
    Connected,
    Envelope,
    Event,
    IntentDetected,
    PlaybackDone,
    PlaybackProgress,
    PlaybackStarted,
    RagAnswerReady,
    SpeechStarted,
    SpeechStopped,
    SttFinal,
    SttPartial,
    TimerFired,
    TtsChunkReady,
    TtsDone,
    to_envelope,
)
from statecharts.library import LibraryChart
from statecharts.phrases import Phrases
from statecharts.policy import Policy
from statecharts.stepping import RunningChart, Snapshot

__all__ = [
    "GOALS",
    "TURNS_BEFORE_IDLE",
    "ChartBench",
    "Cost",
    "EngineCosts",
    "bench_chart",
    "idle_conversation",
    "led_call",
]

GOALS = {"step": 20.0, "restore": 50.0, "idle session": 4096.0}
"""Microseconds (median), microseconds (median), bytes."""
TURNS_BEFORE_IDLE = 10
_POLICY, _PHRASES = Policy(), Phrases()
_TRACE: dict[str, object] = {"trace_id": uuid.uuid4().hex}
_T = TypeVar("_T")


class Cost(Struct, frozen=True):
    """How long something takes, in microseconds."""

    n: int
    median_us: float
    p99_us: float


class EngineCosts(Struct, frozen=True):
    """One way to run the same chart."""

    step: Cost
    construct: Cost
    restore: Cost
    """From a stored snapshot (JSON) to a chart in running order."""
    chart_bytes: int
    """Memory of one chart."""


class ChartBench(Struct, frozen=True):
    """Everything that was measured."""

    table: EngineCosts
    library: EngineCosts
    snapshot: Cost
    """From a chart to what is stored (JSON)."""
    fold: Cost
    """One fact as the orchestrator takes it: validated, stepped, journalled."""
    idle_session_bytes: int
    """Memory of a session that waits, after ten turns, as the orchestrator keeps it."""
    stored_bytes: int
    """Its stored state."""


def bench_chart(repeat: int = 300) -> ChartBench:
    """Measure both engines on the same call: a question, its answer, and a barge-in that is answered too.

    Args:
        repeat: How often the call is led by the table; the library leads it a tenth as often.
    """
    conversations, memory = _grown(idle_conversation, 20)
    idle = conversations[0].chart
    stored = msgspec.json.encode(idle.snapshot())
    return ChartBench(
        table=_costs(RunningChart, stored, repeat),
        library=_costs(LibraryChart, stored, max(3, repeat // 10)),
        snapshot=_cost(_timed(lambda: msgspec.json.encode(idle.snapshot()), repeat * 10)),
        fold=_cost(_fold_times(max(3, repeat // 10))),
        idle_session_bytes=round(memory),
        stored_bytes=len(conversations[0].record.encode()),
    )


def _costs(engine: type[RunningChart], stored: bytes, repeat: int) -> EngineCosts:
    decode = msgspec.json.Decoder(Snapshot).decode
    _, memory = _grown(lambda: engine(_POLICY, _PHRASES, decode(stored)), max(3, repeat // 10))
    return EngineCosts(
        step=_cost(list(_step_times(engine, repeat))),
        construct=_cost(_timed(lambda: engine(_POLICY, _PHRASES), repeat)),
        restore=_cost(_timed(lambda: engine(_POLICY, _PHRASES, decode(stored)), repeat)),
        chart_bytes=round(memory),
    )


def _step_times(engine: type[RunningChart], repeat: int) -> Iterator[int]:
    for _ in range(repeat):
        chart = engine(_POLICY, _PHRASES)
        for event in led_call():
            began = time.perf_counter_ns()
            chart.step(event)
            yield time.perf_counter_ns() - began


def _fold_times(repeat: int) -> list[int]:
    times = []
    for _ in range(repeat):
        conversation = Conversation(SessionRecord(session_id=str(uuid.uuid4())), _POLICY, _PHRASES)
        for envelope, entry in list(_entries(conversation.record.session_id, led_call())):
            began = time.perf_counter_ns()
            folded = conversation.fold(entry, envelope)
            msgspec.json.encode(folded.record)
            times.append(time.perf_counter_ns() - began)
    return times


def idle_conversation() -> Conversation:
    """Return a session that waits, as it is kept once another orchestrator has taken it over."""
    session_id = str(uuid.uuid4())
    conversation = Conversation(SessionRecord(session_id=session_id), _POLICY, _PHRASES)
    for envelope, entry in _entries(session_id, _long_call()):
        conversation.fold(entry, envelope)
    return Conversation(SessionRecord.decode(conversation.record.encode()), _POLICY, _PHRASES)


def _entries(session_id: str, events: Iterable[Event]) -> Iterator[tuple[Envelope, LogEntry]]:
    for event in events:
        named = msgspec.structs.replace(event, event_id=str(uuid.uuid4()))
        envelope = to_envelope(
            named, session_id, source="gateway-0123456789ab", metadata={"trace_id": uuid.uuid4().hex}
        )
        yield envelope, LogEntry(position="1-0", envelope=envelope)


def _timed(work: Callable[[], object], repeat: int) -> list[int]:
    times = []
    for _ in range(repeat):
        began = time.perf_counter_ns()
        work()
        times.append(time.perf_counter_ns() - began)
    return times


def _cost(times_ns: Sequence[int]) -> Cost:
    return Cost(len(times_ns), round(median(times_ns) / 1000, 2), round(percentile(times_ns, 0.99) / 1000, 2))


def _grown(make: Callable[[], _T], count: int) -> tuple[list[_T], float]:
    """Return so many of something, and the bytes that each takes."""
    make()  # what is made once for all of them is not theirs
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        made = [make() for _ in range(count)]
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return made, (after - before) / count


class _Leader:
    """Makes up the facts of a call as its world would, from what the chart asks for."""

    def __init__(self) -> None:
        self._chart = RunningChart(_POLICY, _PHRASES)
        self.facts: list[Event] = []
        self._take(Connected(timestamp=1000.0))

    def turn(self, start: float, *, heard_out: bool) -> _Leader:
        """A question and its answer, some four seconds; who speaks before it is heard out interrupts it."""
        self._take(SpeechStarted(timestamp=start))
        self._take(SttPartial(timestamp=start + 0.5, text="How old is"))
        self._take(SpeechStopped(timestamp=start + 1.5, silence_s=0.16))
        asked = self._take(SttFinal(timestamp=start + 1.6, text="How old is the bridge?"))
        self.wait("end_of_turn")
        intent = next(effect for effect in asked if isinstance(effect, RequestIntent))
        answer = next(effect for effect in asked if isinstance(effect, RequestAnswer))
        at, turn = start + 1.81, self._chart.context.turn
        self._take(IntentDetected(timestamp=at, turn=turn, intent="question", request_id=intent.request_id))
        found = RagAnswerReady(
            timestamp=at, turn=turn, text="It opened in 1883.", is_final=True, source="a.md",
            request_id=answer.request_id,
        )  # fmt: skip
        request_id = next(effect.request_id for effect in self._take(found) if isinstance(effect, Speak))
        for chunk in range(10):
            sent_at = start + 2.0 + max(0.0, chunk * 0.2 - 0.8)
            self._take(TtsChunkReady(timestamp=sent_at, turn=turn, seq=chunk, audio_ms=200.0, request_id=request_id))
            if not chunk:
                self._take(PlaybackStarted(timestamp=sent_at, turn=turn, played_s=0.0))
        self._take(TtsDone(timestamp=start + 3.0, turn=turn, request_id=request_id))
        for tenth in range(1, 10):
            self._take(PlaybackProgress(timestamp=start + 2.0 + tenth / 5, turn=turn, played_s=tenth / 5))
        if heard_out:
            self._take(PlaybackDone(timestamp=start + 4.0, turn=turn, played_s=2.0))
        return self

    def wait(self, timer: str) -> _Leader:
        """Let a timer fire when it is due."""
        self._take(TimerFired(timestamp=self._chart.context.timers[timer], name=timer))
        return self

    def _take(self, event: Event) -> list[Effect]:
        self.facts.append(event)
        return self._chart.step(event)


@cache
def led_call() -> Sequence[Event]:
    """Return the facts of the call that is measured."""
    return _Leader().turn(1001.0, heard_out=False).turn(1004.9, heard_out=True).facts


@cache
def _long_call() -> Sequence[Event]:
    leader = _Leader()
    for turn in range(TURNS_BEFORE_IDLE):
        leader.turn(1001.0 + 10 * turn, heard_out=True)
    return leader.wait("away").facts
