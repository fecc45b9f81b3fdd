"""When does the turn end? Recordings through the real detector, recogniser and chart, under several rules.

Audio time is virtual, recognising takes as long as it took: a recording of ten seconds is judged in one. A rule is
measured by its delay (true end of the speech to the end of the turn) and its cut-offs (turns ended although the speech
went on), pauses inside the recordings included.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from adapters.detectors.port import Detector
from adapters.recognisers.port import Recogniser
from app.bench.clips import read_speech
from app.caller.report import percentile
from app.caller.wav import MIC_RATE_HZ
from app.gateway.voice_activity import ChunkedActivity
from statecharts.effects import CancelTimer, StartTimer, TurnBegan, Withdrawn
from statecharts.events import Connected, Event, SpeechStarted, SpeechStopped, SttFinal, TimerFired
from statecharts.policy import Policy
from statecharts.stepping import RunningChart

__all__ = ["RULES", "Ending", "RuleFigures", "bench_endpointing"]

RULES: dict[str, Policy] = {
    "graded by the words": Policy(speculation="off"),
    **{
        f"fixed {seconds:g} s": Policy(speculation="off", adaptive_end_of_turn=False, end_of_turn_s=seconds)
        for seconds in (0.3, 0.4, 0.5, 0.8)
    },
}
TAIL_S = 2.0
"""Quiet after each recording."""
_CHUNK_BYTES = 1024
_PRE_ROLL_S = 0.5


class Ending(Struct, frozen=True):
    """How one rule ended the turn of one recording."""

    rule: str
    clip: str
    delay_s: float
    cut_offs: int
    """Turns that were ended although the speech went on."""
    taken_back: int
    """Of these, how many were withdrawn when it did."""
    text: str


class RuleFigures(Struct, frozen=True):
    """One rule over all recordings. Delays are seconds from the true end of the speech."""

    rule: str
    n: int
    delay_median: float
    delay_p95: float
    early: int
    """Recordings whose last turn ended before the speech in them did: they count for no delay."""
    cut_offs: int
    taken_back: int


class _Edge(Struct, frozen=True):
    at: float
    voice: bool
    since_s: float


async def bench_endpointing(
    detector: Detector, recogniser: Recogniser, clips: Sequence[Path], tell: Callable[[str], None]
) -> tuple[list[RuleFigures], list[Ending]]:
    """Speak every recording under every rule.

    Args:
        detector: The voice detector.
        recogniser: Whose words grade the wait.
        clips: WAV files.
        tell: Told of each recording.

    Raises:
        BadRecording: A file cannot be read.
    """
    endings: list[Ending] = []
    for number, path in enumerate(clips, 1):
        tell(f"{number} of {len(clips)}: {path.name}")
        speech = read_speech(path)
        pcm = speech.pcm + bytes(round(TAIL_S * MIC_RATE_HZ) * 2)
        edges = list(_edges(detector, pcm))
        words = _Words(recogniser, pcm)
        for rule, policy in RULES.items():
            endings.append(await _run(rule, policy, path.stem, speech.end_s, edges, words))
    return [_figures(rule, [one for one in endings if one.rule == rule]) for rule in RULES], endings


def _edges(detector: Detector, pcm: bytes) -> Iterator[_Edge]:
    activity, at = ChunkedActivity(detector.stream, Policy().settle_s), 0
    for start in range(0, len(pcm), _CHUNK_BYTES):
        for heard in activity.hear(pcm[start : start + _CHUNK_BYTES]):
            at += len(heard.pcm)
            if heard.edge is not None:
                yield _Edge(at / 2 / MIC_RATE_HZ, heard.edge.voice, heard.edge.since_s)


class _Words:
    """What is recognised of a stretch of a recording, and how long that takes; each stretch once."""

    def __init__(self, recogniser: Recogniser, pcm: bytes) -> None:
        self._recogniser = recogniser
        self._pcm = pcm
        self._known: dict[tuple[int, int], tuple[str, float]] = {}

    async def between(self, start_s: float, end_s: float) -> tuple[str, float]:
        stretch = round(max(0.0, start_s) * MIC_RATE_HZ) * 2, round(end_s * MIC_RATE_HZ) * 2
        if stretch not in self._known:
            began = time.perf_counter()
            heard = await self._recogniser.recognise(self._pcm[stretch[0] : stretch[1]])
            self._known[stretch] = heard.text, time.perf_counter() - began
        return self._known[stretch]


class _Listener:
    """A chart that hears a recording: its own timers fire in virtual time."""

    def __init__(self, policy: Policy) -> None:
        self._chart = RunningChart(policy)
        self._timers: dict[str, float] = {}
        self.began: list[tuple[float, str]] = []
        self.withdrawn = 0
        self.take(Connected(), 0.0)

    def wait(self, until: float) -> None:
        while due := [(at, name) for name, at in self._timers.items() if at <= until]:
            at, name = min(due)
            del self._timers[name]
            self.take(TimerFired(name=name), at)

    def take(self, event: Event, at: float) -> None:
        # The chart takes time 0 for "never".
        for effect in self._chart.step(msgspec.structs.replace(event, timestamp=1000.0 + at)):
            match effect:
                case StartTimer():
                    self._timers[effect.name] = at + effect.delay_s
                case CancelTimer():
                    self._timers.pop(effect.name, None)
                case TurnBegan():
                    self.began.append((at, effect.text))
                case Withdrawn():
                    self.withdrawn += 1


async def _run(rule: str, policy: Policy, clip: str, end_s: float, edges: Sequence[_Edge], words: _Words) -> Ending:
    listener = _Listener(policy)
    utterance_s: float | None = None
    for number, edge in enumerate(edges):
        listener.wait(edge.at)
        if edge.voice:
            if utterance_s is None or (listener.began and listener.began[-1][0] > utterance_s):
                utterance_s = edge.at - edge.since_s - _PRE_ROLL_S
            listener.take(SpeechStarted(), edge.at)
            continue
        listener.take(SpeechStopped(silence_s=edge.since_s), edge.at)
        asked = edge.at - edge.since_s + policy.recognise_ahead_s if policy.recognise_ahead_s else edge.at
        text, took_s = await words.between(utterance_s or 0.0, asked)
        ready = max(edge.at, asked + took_s)
        if number + 1 < len(edges) and edges[number + 1].at < ready:
            continue  # the voice was back before the words were known: they are recognised anew with what follows
        listener.wait(ready)
        listener.take(SttFinal(text=text), ready)
    listener.wait(end_s + 3.0)
    last_voice = max((edge.at for edge in edges if not edge.voice), default=0.0)
    ended = [at for at, _ in listener.began]
    return Ending(
        rule=rule, clip=clip, delay_s=round(ended[-1] - end_s, 4) if ended else float("nan"),
        cut_offs=sum(at < last_voice - Policy().settle_s for at in ended[:-1]), taken_back=listener.withdrawn,
        text=listener.began[-1][1] if ended else "",
    )  # fmt: skip


def _figures(rule: str, endings: Sequence[Ending]) -> RuleFigures:
    delays = [one.delay_s for one in endings if one.delay_s >= 0]
    return RuleFigures(
        rule=rule, n=len(delays), delay_median=round(statistics.median(delays), 3),
        delay_p95=round(percentile(delays, 0.95), 3), early=sum(one.delay_s < 0 for one in endings),
        cut_offs=sum(one.cut_offs for one in endings), taken_back=sum(one.taken_back for one in endings),
    )  # fmt: skip
