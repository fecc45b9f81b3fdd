"""How soon a voice is heard, alone and while it answers several callers at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from adapters.voices.port import Voice
from app.bench.figures import Figures, Machine, figures_of, machine_after, machine_before

__all__ = ["SENTENCES", "Alone", "Together", "TtsBench", "bench_tts"]

SENTENCES = (
    "Sure.",
    "Okay, one moment.",
    "Yes, it is open every day.",
    "It opened in eighteen eighty three, after fourteen years.",
    "A cough or a hum over the answer lets it go on at the sample where it was lowered.",
    "It was designed by an engineer from Germany and built under the direction of his son over many years of work.",
    "When the caller speaks over the answer, it is lowered at once, before anybody has decided; words then stop it.",
)
"""From 5 to 110 characters, with and without a clause that could be made first."""
ANSWERS = (SENTENCES[3:5], SENTENCES[6:], (SENTENCES[2], SENTENCES[5]))
"""What callers are told: 6 to 8 seconds each."""
WITHIN_S = 1.5
"""All callers' first answers begin within this time."""
PAUSE_S = (0.5, 2.0)
"""Between the end of an answer and the next one of the same caller."""
GAP_S = 0.02
"""Less silence inside an answer than one frame is none."""


class Alone(Struct, frozen=True, kw_only=True):
    """One sentence, said when nothing else is; seconds."""

    voice: str
    text: str
    chars: int
    first_audio: Figures
    real_time_factor: Figures
    """Seconds it takes to make one second of speech."""


class Together(Struct, frozen=True, kw_only=True):
    """Answers to several callers, each played in real time; seconds."""

    voice: str
    callers: int
    first_audio: Figures
    longest_first_audio: float
    with_gaps: int
    """Answers in which the caller heard silence because the next piece was late."""
    longest_gap: float


class TtsBench(Struct, frozen=True, kw_only=True):
    """The whole benchmark."""

    machine: Machine
    alone: list[Alone]
    together: list[Together]


class _Answer(Struct):
    """What one caller got."""

    first_audio_s: float = 0.0
    gap_s: float = 0.0


async def bench_tts(
    voices: Mapping[str, Voice], *, repeat: int, callers: Sequence[int], answers: int, tell: Callable[[str], None]
) -> TtsBench:
    """Measure voices side by side.

    Args:
        voices: By the name that the results give them.
        repeat: How often each sentence is said alone, the voices in turn.
        callers: How many callers at once, one run for each number.
        answers: How many answers each of them gets.
        tell: Told of the progress.

    Raises:
        VoiceFailed: A voice could not speak.
    """
    machine = machine_before()
    alone: list[Alone] = []
    for sentence in SENTENCES:
        alone += await _alone(voices, sentence, repeat)
        tell(f"{len(sentence)} characters: {_shown({one.voice: one.first_audio for one in alone[-len(voices) :]})}")
    together: list[Together] = []
    for count in callers:
        for name, voice in voices.items():
            together.append(await _together(name, voice, count, answers))
        shown = {one.voice: one.first_audio for one in together[-len(voices) :]}
        tell(f"{count} callers at once: {_shown(shown)}")
    return TtsBench(machine=machine_after(machine), alone=alone, together=together)


def _shown(first_audio: Mapping[str, Figures]) -> str:
    return ", ".join(f"{name} {figures.median * 1000:.0f} ms" for name, figures in first_audio.items())


async def _alone(voices: Mapping[str, Voice], sentence: str, repeat: int) -> list[Alone]:
    loop = asyncio.get_running_loop()
    first: dict[str, list[float]] = {name: [] for name in voices}
    factor: dict[str, list[float]] = {name: [] for name in voices}
    for _ in range(repeat):
        for name, voice in voices.items():
            began, audio_s, first_at = loop.time(), 0.0, 0.0
            async for piece in voice.synthesise(sentence, deadline=began):
                first_at = first_at or loop.time()
                audio_s += len(piece.pcm) / 2 / piece.rate_hz
            first[name].append(first_at - began)
            factor[name].append((loop.time() - began) / audio_s)
    return [
        Alone(
            voice=name,
            text=sentence,
            chars=len(sentence),
            first_audio=figures_of(first[name]),
            real_time_factor=figures_of(factor[name]),
        )
        for name in voices
    ]


async def _together(name: str, voice: Voice, callers: int, answers: int) -> Together:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_caller(voice, number, answers)) for number in range(callers)]
    given = [answer for task in tasks for answer in task.result()]
    return Together(
        voice=name,
        callers=callers,
        first_audio=figures_of([answer.first_audio_s for answer in given]),
        longest_first_audio=round(max(answer.first_audio_s for answer in given), 4),
        with_gaps=sum(answer.gap_s > GAP_S for answer in given),
        longest_gap=round(max(answer.gap_s for answer in given), 4),
    )


async def _caller(voice: Voice, number: int, answers: int) -> list[_Answer]:
    draw = random.Random(number)  # the same callers in every run
    await asyncio.sleep(draw.uniform(0.0, WITHIN_S))
    given = []
    for turn in range(answers):
        answer, played_at = await _answered(voice, ANSWERS[(number + turn) % len(ANSWERS)])
        given.append(answer)
        # Real time is what is simulated here: the caller listens, and thinks.
        await asyncio.sleep(max(0.0, played_at - asyncio.get_running_loop().time()) + draw.uniform(*PAUSE_S))
    return given


async def _answered(voice: Voice, sentences: Sequence[str]) -> tuple[_Answer, float]:
    """Have an answer synthesised as a call does, sentence after sentence; return it, and when it will be played."""
    loop = asyncio.get_running_loop()
    answer, began, played_at = _Answer(), loop.time(), 0.0
    for sentence in sentences:
        async for piece in voice.synthesise(sentence, deadline=played_at or began):
            now = loop.time()
            if not played_at:
                answer.first_audio_s, played_at = now - began, now
            answer.gap_s += max(0.0, now - played_at)
            played_at = max(played_at, now) + len(piece.pcm) / 2 / piece.rate_hz
    return answer, played_at
