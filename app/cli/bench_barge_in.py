"""`voicechart bench barge-in`: what it is like to interrupt."""

from __future__ import annotations

import asyncio

import msgspec
import rich_click as click

from app.bench.barge_in import GOALS, BargeInBench, bench_barge_in
from app.bench.clips import FOLDER
from app.bench.interrupting import Sound
from app.bench.stt import read_clips
from app.caller.link import Transport
from app.caller.wav import read_wav
from app.cli.bench_tables import new_table, progress, shown_ms, table_console
from statecharts.events import VoicechartError

__all__ = ["barge_in"]

SOUNDS = FOLDER / "sounds"
UNFIT = frozenset({"gc_quit.wav"})
"""Its noise, 20 dB below the voice, begins a second before it: there is no telling when an interruption begins."""


@click.command(name="barge-in")
@click.option("--repeat", type=click.IntRange(min=1), default=1, show_default=True, help="Make every sound so often.")
@click.option(
    "--transport",
    "transports",
    type=click.Choice(["ws", "webrtc"]),
    multiple=True,
    default=("ws", "webrtc"),
    show_default=True,
    help="How the audio travels; may be given twice.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def barge_in(repeat: int, transports: tuple[Transport, ...], as_json: bool) -> None:
    """Speak over the answers of a server of its own: with recordings of people who mean it, and with coughs and "yeah".

    Times run on the caller's clock, from the first sample that is no silence (for resuming: from the last) to the
    server's order. Every recording is spoken once more with the event log's server stopped. Exit code 1 if no answer
    was interrupted.
    """
    try:
        clips = [
            Sound(clip.name, clip.pcm, clip.transcript) for clip in read_clips(FOLDER) if clip.name not in UNFIT
        ]  # fmt: skip
        sounds = [Sound(path.name, read_wav(path).pcm, "") for path in sorted(SOUNDS.glob("*.wav"))]
        tell = progress().print
        result = asyncio.run(bench_barge_in(clips, sounds, transports=transports, repeat=repeat, tell=tell))
    except VoicechartError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(msgspec.json.encode(result))
    else:
        _print(result)
    if not any(one.times for one in result.interruptions):
        raise click.ClickException("no answer was interrupted")


def _print(result: BargeInBench) -> None:
    console = table_console()
    console.print(str(result.machine))
    for transport, figures in result.figures.items():
        table = new_table(f"{transport}: milliseconds", "what", "n", "p50", "p95", "goal p50", "goal p95", right=1)
        for name, found in figures.items():
            goals = ["" if goal is None else f"{goal * 1000:.0f}" for goal in GOALS[name]]
            table.add_row(name, *shown_ms(found), *goals)
        console.print(table)
        told = result.outcomes[transport]
        console.print(
            f"{told['stopped']} of {told['spoken over']} answers were stopped, {told['first word kept']} of "
            f"{told['new turns']} new turns begin with the first word said\n"
            f"{told['resumed']} of {told['sounds']} sounds changed nothing ({told['not noticed']} were not noticed)"
        )
    took_ms = result.gateway_duck_s * 1000
    console.print(f"in the gateway, from the audio's arrival to the duck on its way: {took_ms:.1f} ms (mean)")
