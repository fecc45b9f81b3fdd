"""What doing things at the same time saves: the real parts one after another, and then each step of overlap.

Recordings go through the detector in virtual time; recogniser, intents, retrieval and voice then work for real, one
after another, and take as long as they take. What two ways of putting them together do alike is measured once for
both, so that they differ by nothing but what they do differently. There is no server, no log and no network in it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct

from adapters.answers.port import Answerer, IntentClassifier, Judgement, Sentence
from adapters.detectors.port import Detector
from adapters.recognisers.port import Recogniser
from adapters.voices.port import Voice
from app.bench.clips import read_speech
from app.bench.figures import Figures, Machine, figures_of, machine_after, machine_before
from app.caller.wav import MIC_RATE_HZ
from app.dialogue.reading import DELIVERED, read_phrases
from app.gateway.ear import PRE_ROLL_S
from app.gateway.voice_activity import CHUNK_BYTES, ChunkedActivity
from statecharts.endpointing import grade
from statecharts.events import VoicechartError
from statecharts.policy import Policy
from statecharts.scene import RETRIEVED_INTENTS

__all__ = ["PARTS", "WAYS", "NoVoice", "Parts", "SequentialBench", "Slowed", "bench_sequential"]

WAYS = {
    "sequential": "one after another: the end of the turn, words, intent, answer, all of its sound",
    "parallel": "intent and answer at the same time",
    "sentences": "the first sentence is made to sound while the others are looked for",
    "first_sound": "heard from its first sound on",
    "speculation": "all of this while it is waited whether the turn is over",
    "graded": "the wait graded by the words",
}
"""Each does what the one before it does, and one thing more."""
PARTS = {
    "words": "words recognised, at the end of the turn",
    "words_ahead": "words recognised, as soon as the caller may be done",
    "one_by_one": "intent, then the whole answer",
    "together": "intent and the whole answer at the same time",
    "first_found": "intent and the first sentence at the same time",
    "first_sound": "first sound made",
    "first_sentence": "first sentence made to sound",
    "all_sound": "whole answer made to sound",
}
_TAIL_S = 1.0
_POLICY = Policy()


class NoVoice(VoicechartError):
    """The detector hears no voice in a recording."""


class SequentialBench(Struct, frozen=True, kw_only=True):
    """The whole benchmark; seconds, `ways` from the true end of the speech to the first audio."""

    machine: Machine
    questions: int
    intent_delay_s: float
    answer_delay_s: float
    ways: dict[str, Figures]
    parts: dict[str, Figures]


@dataclass(frozen=True)
class Parts:
    """The real parts."""

    detector: Detector
    recogniser: Recogniser
    classifier: IntentClassifier
    answerer: Answerer
    voice: Voice


class Slowed:
    """An intent classifier and an answerer that take their time, as those behind a network do.

    Args:
        parts: What they ask.
        intent_s: Seconds added to every intent.
        answer_s: Seconds added to every sentence of an answer.
    """

    def __init__(self, parts: Parts, intent_s: float, answer_s: float) -> None:
        self._parts = parts
        self._intent_s = intent_s
        self._answer_s = answer_s

    async def intent(self, text: str) -> Judgement:
        """Return what kind of thing was said."""
        if self._intent_s:
            await asyncio.sleep(self._intent_s)
        return self._parts.classifier.classify(text)

    async def sentences(self, text: str) -> AsyncIterator[Sentence]:
        """Yield the answer as it is found."""
        async for sentence in self._parts.answerer.answer(text):
            if self._answer_s:
                await asyncio.sleep(self._answer_s)
            yield sentence


class _Heard(Struct, frozen=True):
    """One recording, as the detector hears it; seconds in it, s16le at 16 kHz."""

    name: str
    pcm: bytes
    true_end: float
    onset: float
    voice_end: float
    noticed: float

    @property
    def fixed_end(self) -> float:
        """When the turn ends if the words are not asked."""
        return self.voice_end + _POLICY.end_of_turn_s

    @property
    def begun(self) -> float:
        """When its words begin to be recognised, unless that waits for the end of the turn."""
        return self.voice_end + _POLICY.recognise_ahead_s if _POLICY.recognise_ahead_s else self.noticed

    def until(self, end: float) -> bytes:
        """Return what the recogniser is given."""
        start = max(0.0, self.onset - PRE_ROLL_S)
        return self.pcm[round(start * MIC_RATE_HZ) * 2 : round(end * MIC_RATE_HZ) * 2]


async def bench_sequential(
    parts: Parts,
    clips: Sequence[Path],
    *,
    repeat: int,
    intent_delay_s: float,
    answer_delay_s: float,
    tell: Callable[[str], None],
) -> SequentialBench:
    """Answer every recorded question in every one of `WAYS`, `repeat` times.

    Raises:
        BadRecording: A clip cannot be read; nothing was measured yet.
        BadClips: The clips' manifest cannot be used.
        NoVoice: There is none in a clip.
        RecogniserFailed: It failed.
        VoiceFailed: It failed.
    """
    questions = [_listen(parts.detector, clip) for clip in clips]
    machine = machine_before()
    worker = Slowed(parts, intent_delay_s, answer_delay_s)
    await _measure(questions[0], worker, parts)  # the first of all would be slower than any after it
    ways: dict[str, list[float]] = {way: [] for way in WAYS}
    took: dict[str, list[float]] = {part: [] for part in PARTS}
    for number in range(repeat):
        for heard in questions:
            measured, text = await _measure(heard, worker, parts)
            for part, seconds in measured.items():
                took[part].append(seconds)
            for way, first_audio_s in _put_together(heard, text, measured).items():
                ways[way].append(first_audio_s - heard.true_end)
            tell(f"{number + 1}/{repeat}  {heard.name}  {ways['sequential'][-1]:.2f} s, {ways['graded'][-1]:.2f} s")
    return SequentialBench(
        machine=machine_after(machine), questions=len(questions), intent_delay_s=intent_delay_s,
        answer_delay_s=answer_delay_s, ways={way: figures_of(values) for way, values in ways.items()},
        parts={part: figures_of(took[part]) for part in PARTS},
    )  # fmt: skip


def _listen(detector: Detector, clip: Path) -> _Heard:
    speech = read_speech(clip)
    pcm = speech.pcm + bytes(round(_TAIL_S * MIC_RATE_HZ) * 2)
    activity, at = ChunkedActivity(detector.stream, _POLICY.settle_s), 0
    onset, ends = None, [(0.0, 0.0)]
    for start in range(0, len(pcm), CHUNK_BYTES):
        for heard in activity.hear(pcm[start : start + CHUNK_BYTES]):
            at += len(heard.pcm)
            if heard.edge is None:
                continue
            seconds = at / 2 / MIC_RATE_HZ
            if heard.edge.voice and onset is None:
                onset = seconds - heard.edge.since_s
            elif not heard.edge.voice:
                ends.append((seconds - heard.edge.since_s, seconds))
    if onset is None:
        raise NoVoice(f"the detector hears no voice in {clip}; name recordings of somebody who asks something.")
    return _Heard(clip.stem, pcm, speech.end_s, onset, *ends[-1])


async def _measure(heard: _Heard, worker: Slowed, parts: Parts) -> tuple[dict[str, float], str]:
    """Return how long each of `PARTS` took for one question, in seconds, and what was recognised in the end."""
    took: dict[str, float] = {}
    began = time.perf_counter()

    def lap(part: str) -> None:
        nonlocal began
        took[part] = time.perf_counter() - began
        began = time.perf_counter()

    text = await _words(parts.recogniser, heard.until(heard.fixed_end))
    lap("words")
    judged = await worker.intent(text)
    found = [sentence.text async for sentence in worker.sentences(text)]
    lap("one_by_one")
    said = _reply(judged, found)
    for number, sentence in enumerate(said):
        await _sound(parts.voice, sentence)
        if not number:
            took["first_sentence"] = time.perf_counter() - began
    lap("all_sound")
    text = await _words(parts.recogniser, heard.until(heard.begun))
    lap("words_ahead")
    await asyncio.gather(worker.intent(text), _all_sentences(worker, text))
    lap("together")
    judged, first = await asyncio.gather(worker.intent(text), _first_sentence(worker, text))
    lap("first_found")
    await _sound(parts.voice, _reply(judged, [first])[0], first=True)
    lap("first_sound")
    return took, text


def _put_together(heard: _Heard, text: str, took: dict[str, float]) -> dict[str, float]:
    """Return when the first audio is there, in seconds of the recording, by way."""
    known = heard.fixed_end + took["words"]
    guessed = max(heard.noticed, heard.begun + took["words_ahead"])  # nobody is told before it counts as silence
    ready = guessed + took["first_found"] + took["first_sound"]
    return {
        "sequential": known + took["one_by_one"] + took["all_sound"],
        "parallel": known + took["together"] + took["all_sound"],
        "sentences": known + took["first_found"] + took["first_sentence"],
        "first_sound": known + took["first_found"] + took["first_sound"],
        "speculation": max(heard.fixed_end, ready),
        "graded": max(heard.voice_end + grade(text, _POLICY, 0.0), ready),
    }


async def _words(recogniser: Recogniser, pcm: bytes) -> str:
    heard = await recogniser.recognise(pcm)
    while heard.draft:
        heard = await recogniser.recognise(pcm)
    return heard.text


async def _all_sentences(worker: Slowed, text: str) -> list[str]:
    return [sentence.text async for sentence in worker.sentences(text)]


async def _first_sentence(worker: Slowed, text: str) -> str:
    async for sentence in worker.sentences(text):
        return sentence.text
    return ""


async def _sound(voice: Voice, text: str, *, first: bool = False) -> None:
    """Synthesise a sentence, or only its first sound."""
    deadline = asyncio.get_running_loop().time() if first else math.inf
    pieces = voice.synthesise(text, deadline=deadline)
    async for _ in pieces:
        if first:
            break
    if isinstance(pieces, AsyncGenerator):  # else the rest of it would go on being made beside the next
        await pieces.aclose()


def _reply(judged: Judgement, found: Sequence[str]) -> Sequence[str]:
    """Return what is said: most intents have a phrase of their own."""
    phrases = () if judged.intent in RETRIEVED_INTENTS else read_phrases(DELIVERED, "en").reply_to(judged.intent)
    return phrases[:1] or found
