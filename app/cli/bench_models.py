"""`voicechart bench stt` and `bench tts`: the models alone, without a server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import rich_click as click

from app.bench.clips import FOLDER
from app.bench.stt import SttBench, bench_stt, read_clips
from app.bench.tts import TtsBench, bench_tts
from app.cli.bench_tables import new_table, progress, shown_ms, table_console
from app.settings import load_settings
from statecharts.events import VoicechartError

__all__ = ["stt", "tts"]

SHOWN = 24
"""Characters of a sentence that a table has room for."""


def _numbers(text: str) -> tuple[int, ...]:
    numbers = tuple(int(part) if part.strip().isdigit() else 0 for part in text.split(","))
    if min(numbers) < 1:
        raise click.BadParameter(f"{text!r} is not a list of whole numbers above 0, such as 1,4,8")
    return numbers


_callers = click.option(
    "--callers", type=_numbers, default="1,4,8", show_default=True, help="How many at once, one run for each."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")


@click.command()
@click.option(
    "--clips",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=FOLDER,
    help="A folder of WAV files with a manifest.csv (columns file and transcript).  [default: tests/speech]",
)
@click.option(
    "--repeat", type=click.IntRange(min=1), default=5, show_default=True, help="Recognise each clip so often."
)
@_callers
@_json
def stt(clips: Path, repeat: int, callers: tuple[int, ...], as_json: bool) -> None:
    """Recognise recorded clips in the fast way (short windows) and in the full one (30 s), side by side.

    Prints the word error rate of both, how long they take by length of the clip, and how long callers wait who fall
    silent at the same time.
    """
    try:
        result = asyncio.run(_stt(clips, repeat, callers))
    except VoicechartError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(msgspec.json.encode(result))
    else:
        _print_stt(result)


async def _stt(folder: Path, repeat: int, callers: tuple[int, ...]) -> SttBench:
    from app.wiring_models import WhisperRecogniser

    clips = read_clips(folder)
    model = load_settings().model
    recognisers = {"fast": WhisperRecogniser(model), "full": WhisperRecogniser(model, fast=False)}
    try:
        return await bench_stt(recognisers, clips, repeat=repeat, callers=callers, tell=progress().print)
    finally:
        for recogniser in recognisers.values():
            recogniser.close()


def _print_stt(result: SttBench) -> None:
    console = table_console()
    console.print(str(result.machine))
    words = new_table("word errors", "recogniser", "clips", "words", "errors", "rate")
    for name, rate in result.error_rates.items():
        hearings = [one for one in result.hearings if one.recogniser == name]
        words.add_row(
            name,
            *map(str, (len(hearings), sum(one.words for one in hearings), sum(one.errors for one in hearings))),
            f"{rate:.1%}",
        )
    console.print(words)
    wrong = new_table("heard otherwise", "clip", "recogniser", "heard", right=0)
    for one in result.hearings:
        if one.errors:
            wrong.add_row(one.clip, one.recogniser, one.heard)
    console.print(wrong)
    lengths = new_table("one at a time; milliseconds", "clip", "recogniser", "n", "p50", "p95")
    for length in sorted(result.lengths, key=lambda one: one.above_s):
        lengths.add_row(f"{length.above_s:g} to {length.to_s:g} s", length.recogniser, *shown_ms(length.took))
    console.print(lengths)
    crowds = new_table("at the same time; milliseconds", "callers", "recogniser", "n", "p50", "p95", "longest")
    for crowd in result.crowds:
        crowds.add_row(str(crowd.callers), crowd.recogniser, *shown_ms(crowd.took), f"{crowd.longest * 1000:.0f}")
    console.print(crowds)


@click.command()
@click.option("--voice", type=click.Choice(["piper", "espeak"]), default="piper", show_default=True)
@click.option("--repeat", type=click.IntRange(min=1), default=15, show_default=True, help="Say each sentence so often.")
@click.option("--answers", type=click.IntRange(min=1), default=4, show_default=True, help="Answers for each caller.")
@_callers
@_json
def tts(voice: str, repeat: int, answers: int, callers: tuple[int, ...], as_json: bool) -> None:
    """Synthesise sentences of several lengths, then answers to several callers at once, played in real time.

    Piper is measured in stages, as it runs, and whole, side by side. Prints how soon the first audio is there, how
    long a second of speech takes, and how often a caller heard a gap.
    """
    try:
        result = asyncio.run(_tts(voice, repeat, answers, callers))
    except VoicechartError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(msgspec.json.encode(result))
    else:
        _print_tts(result)


async def _tts(voice: str, repeat: int, answers: int, callers: tuple[int, ...]) -> TtsBench:
    from app.wiring_models import EspeakVoice, PiperVoice

    voices = {"staged": PiperVoice(), "whole": PiperVoice(staged=False)} if voice == "piper" else {voice: EspeakVoice()}
    try:
        return await bench_tts(voices, repeat=repeat, callers=callers, answers=answers, tell=progress().print)
    finally:
        for one in voices.values():
            one.close()


def _print_tts(result: TtsBench) -> None:
    console = table_console()
    console.print(str(result.machine))
    alone = new_table(
        "one at a time",
        "sentence",
        "voice",
        "characters",
        "n",
        "first audio p50",
        "p95 [ms]",
        "real-time factor",
        "p95",
    )
    for one in result.alone:
        factor = one.real_time_factor
        begin = one.text if len(one.text) < SHOWN else f"{one.text[:SHOWN]}..."
        alone.add_row(
            begin, one.voice, str(one.chars), *shown_ms(one.first_audio), f"{factor.median:.3f}", f"{factor.p95:.3f}"
        )
    console.print(alone)
    together = new_table(
        "answers at once",
        "callers",
        "voice",
        "n",
        "first audio p50",
        "p95",
        "longest [ms]",
        "with gaps",
        "longest [ms]",
    )
    for run in result.together:
        longest = f"{run.longest_first_audio * 1000:.0f}"
        gaps = (str(run.with_gaps), f"{run.longest_gap * 1000:.0f}")
        together.add_row(str(run.callers), run.voice, *shown_ms(run.first_audio), longest, *gaps)
    console.print(together)
