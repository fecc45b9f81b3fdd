"""What recognisers hear and how long it takes them, side by side on recorded clips."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from msgspec import Struct

from adapters.recognisers.port import Recogniser
from app.bench.clips import MANIFEST, BadClips, manifest_rows
from app.bench.figures import Figures, Machine, figures_of, machine_after, machine_before
from app.bench.word_errors import word_errors, words_of
from app.caller.wav import read_wav

__all__ = ["Clip", "Crowd", "Hearing", "Length", "SttBench", "bench_stt", "read_clips"]

LENGTHS_S = (0.0, 1.5, 3.0, 6.0, 30.0)
"""Clips are counted together by their length, between these."""


class Clip(Struct, frozen=True):
    """A recording and what is said in it."""

    name: str
    pcm: bytes
    """s16le, 16 kHz mono."""
    transcript: str

    @property
    def audio_s(self) -> float:
        """Its length in seconds."""
        return len(self.pcm) / 2 / 16_000


class Hearing(Struct, frozen=True, kw_only=True):
    """What one recogniser made of one clip."""

    recogniser: str
    clip: str
    audio_s: float
    transcript: str
    heard: str
    words: int
    errors: int


class Length(Struct, frozen=True, kw_only=True):
    """How long recognition takes for clips of about one length; seconds."""

    recogniser: str
    above_s: float
    to_s: float
    took: Figures


class Crowd(Struct, frozen=True, kw_only=True):
    """How long each of several callers waits who fall silent at the same time; seconds."""

    recogniser: str
    callers: int
    took: Figures
    longest: float


class SttBench(Struct, frozen=True, kw_only=True):
    """The whole benchmark."""

    machine: Machine
    error_rates: dict[str, float]
    """Word errors over words, by recogniser."""
    lengths: list[Length]
    crowds: list[Crowd]
    hearings: list[Hearing]


def read_clips(folder: Path) -> list[Clip]:
    """Read the clips that a folder's manifest names (columns `file` and `transcript`).

    Raises:
        BadClips: There is no manifest, or it names none.
        BadRecording: A clip cannot be read.
    """
    rows = manifest_rows(folder)
    if not rows:
        raise BadClips(f"{folder / MANIFEST} names no clips")
    if "transcript" not in rows[0]:
        raise BadClips(f"{folder / MANIFEST} has no column transcript; it says what is said in each clip.")
    return [Clip(row["file"], read_wav(folder / row["file"]).pcm, row["transcript"]) for row in rows]


async def bench_stt(
    recognisers: Mapping[str, Recogniser],
    clips: Sequence[Clip],
    *,
    repeat: int,
    callers: Sequence[int],
    tell: Callable[[str], None],
) -> SttBench:
    """Have every clip recognised by every recogniser in turn, then several at once.

    Args:
        recognisers: By the name that the results give them.
        clips: At least one.
        repeat: How often each clip is recognised.
        callers: How many clips at once, one run for each number.
        tell: Told of the progress.

    Raises:
        RecogniserFailed: One failed.
        Overloaded: One refused.
    """
    machine = machine_before()
    hearings: list[Hearing] = []
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in recognisers}
    for number, clip in enumerate(clips, 1):
        tell(f"{number}/{len(clips)}  {clip.name}")
        for turn in range(repeat):
            for name, recogniser in recognisers.items():
                heard = await recogniser.recognise(clip.pcm)
                took[name].append((clip.audio_s, heard.took_s))
                if not turn:
                    hearings.append(_hearing(name, clip, heard.text))
    crowds = []
    for count in callers:
        tell(f"{count} at once")
        crowds += [await _crowd(name, recogniser, clips, count, repeat) for name, recogniser in recognisers.items()]
    return SttBench(
        machine=machine_after(machine),
        error_rates={name: _error_rate([one for one in hearings if one.recogniser == name]) for name in recognisers},
        lengths=[length for name in recognisers for length in _lengths(name, took[name])],
        crowds=crowds,
        hearings=hearings,
    )


def _hearing(name: str, clip: Clip, heard: str) -> Hearing:
    return Hearing(
        recogniser=name,
        clip=clip.name,
        audio_s=round(clip.audio_s, 2),
        transcript=clip.transcript,
        heard=heard,
        words=len(words_of(clip.transcript)),
        errors=word_errors(clip.transcript, heard),
    )


def _error_rate(hearings: Sequence[Hearing]) -> float:
    return round(sum(one.errors for one in hearings) / max(1, sum(one.words for one in hearings)), 4)


def _lengths(name: str, took: Sequence[tuple[float, float]]) -> list[Length]:
    found = []
    for above_s, to_s in pairwise(LENGTHS_S):
        times = [took_s for audio_s, took_s in took if above_s < audio_s <= to_s]
        if times:
            found.append(Length(recogniser=name, above_s=above_s, to_s=to_s, took=figures_of(times)))
    return found


async def _crowd(name: str, recogniser: Recogniser, clips: Sequence[Clip], callers: int, repeat: int) -> Crowd:
    # Turns are short; the clips nearest to the usual length, in the same order in every run.
    usual = sorted(clips, key=lambda clip: abs(clip.audio_s - 2.5))
    waits: list[float] = []
    for turn in range(repeat):
        chosen = [usual[(turn + number) % min(len(usual), 12)] for number in range(callers)]
        heard = await asyncio.gather(*(recogniser.recognise(clip.pcm) for clip in chosen))
        waits += [one.took_s for one in heard]
    return Crowd(recogniser=name, callers=callers, took=figures_of(waits), longest=round(max(waits), 4))
