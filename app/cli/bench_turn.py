"""`voicechart bench turn`: how long a caller waits, where the time goes, and what doing things at once saves."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import rich_click as click
from click.core import ParameterSource
from rich.table import Table

from app.bench.clips import FOLDER, BadClips
from app.bench.figures import figures_of
from app.bench.picture import draw_turn
from app.bench.sequential import NoVoice
from app.bench.stages import STEPS
from app.bench.turn import TurnBench, bench_turn, own_server
from app.caller.link import Transport
from app.caller.report import STAGES
from app.caller.wav import BadRecording
from app.cli.address import SERVER_URL
from app.cli.bench_sequential import measure_sequential
from app.cli.bench_tables import new_table, progress, shown_ms, shown_s, table_console
from app.cli.files import replace_file
from statecharts.events import VoicechartError

__all__ = ["turn"]

MOST_CALLERS = 64
"""More than one machine can be for its own sake: the callers, too, take their share of it."""
_OF_THE_SERVER = frozenset({"url", "transports", "callers", "keep", "measured", "picture"})
_OF_A_MEASUREMENT = frozenset({"files", "url", "transports", "callers", "repeat"})
_DELAY = click.FloatRange(min=0, max=60)


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--repeat", type=click.IntRange(min=1), default=1, show_default=True, help="Speak every clip so often.")
@click.option(
    "--callers", type=click.IntRange(1, MOST_CALLERS), default=1, show_default=True,
    help="So many at once, each with all the clips; they begin when they like, hear whole answers and call again.",
)  # fmt: skip
@click.option(
    "--url", type=SERVER_URL, help="Address of a running server; without it one is started for the benchmark."
)
@click.option(
    "--transport",
    "transports",
    type=click.Choice(["ws", "webrtc"]),
    multiple=True,
    help="How the audio travels; may be given twice.  [default: ws, webrtc]",
)
@click.option(
    "--sequential", is_flag=True,
    help="Without a server: the same parts one after another, and what each step of doing them at once saves.",
)  # fmt: skip
@click.option("--intent-delay", type=_DELAY, default=0.0, help="With --sequential: every intent takes so much longer.")
@click.option(
    "--answer-delay", type=_DELAY, default=0.0,
    help="With --sequential: every sentence of an answer takes so much longer, as one of a language model does.",
)  # fmt: skip
@click.option("--keep", type=click.Path(path_type=Path, dir_okay=False), help="Write what --json prints to FILE.json.")
@click.option("--from", "measured", type=click.Path(path_type=Path), help="Measure nothing: show what --json printed.")
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Draw where the time goes: FILE.svg.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def turn(
    files: tuple[Path, ...], repeat: int, callers: int, url: str | None, transports: tuple[Transport, ...],
    sequential: bool, intent_delay: float, answer_delay: float, keep: Path | None, measured: Path | None,
    picture: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Speak FILES (default: the clips in tests/speech) in real time; print how long the caller waits at each stage.

    All times run from the true end of the speech in the clip, on the caller's clock. Exit code 1 if no call was
    answered.
    """
    _assert_sensible(sequential, bool(intent_delay or answer_delay), measured is not None)
    try:
        if sequential:
            measure_sequential(
                _clips(files), repeat=repeat, intent_delay_s=intent_delay, answer_delay_s=answer_delay, as_json=as_json
            )
            return
        wanted: tuple[Transport, ...] = transports or ("ws", "webrtc")
        result = _read(measured) if measured else asyncio.run(_turn(_clips(files), repeat, callers, url, wanted))
        _keep(result, keep, picture)
    except (BadRecording, BadClips, NoVoice) as error:
        raise click.BadParameter(str(error), param_hint="FILES") from error
    except VoicechartError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(msgspec.json.encode(result))
    else:
        _print_turn(result)
    if not any(call.answered for call in result.calls):
        raise click.ClickException("no call was answered")


def _assert_sensible(sequential: bool, slowed: bool, shown: bool) -> None:
    """Raise click.UsageError if options were given that have nothing to do with what is asked for."""
    context = click.get_current_context()
    assert context is not None
    given = {name for name in context.params if context.get_parameter_source(name) == ParameterSource.COMMANDLINE}
    if sequential and given & _OF_THE_SERVER:
        raise click.UsageError("--sequential has no server, no callers and no picture: leave those options out.")
    if slowed and not sequential:
        raise click.UsageError("--intent-delay and --answer-delay slow the parts of --sequential; add it.")
    for name in ("keep", "picture"):  # a measurement of minutes must not be lost for want of a folder
        path = context.params[name]
        if path is not None and not path.absolute().parent.is_dir():
            raise click.UsageError(f"cannot write {path}: there is no folder {path.absolute().parent}.")
    if shown and given & _OF_A_MEASUREMENT:
        raise click.UsageError("--from shows what was measured before: files, callers and server are in it.")


def _keep(result: TurnBench, keep: Path | None, picture: Path | None) -> None:
    if keep is not None:
        replace_file(keep, msgspec.json.encode(result) + b"\n")
        click.echo(f"wrote {keep}", err=True)
    if picture is not None:
        replace_file(picture, draw_turn(result).encode())
        click.echo(f"wrote {picture}", err=True)


def _clips(files: tuple[Path, ...]) -> tuple[Path, ...]:
    clips = files or tuple(sorted(FOLDER.glob("*.wav")))
    if not clips:
        raise click.UsageError(f"there are no clips in {FOLDER}; name WAV files to speak")
    return clips


def _read(path: Path) -> TurnBench:
    try:
        return msgspec.json.decode(path.read_bytes(), type=TurnBench)
    except OSError as error:
        raise click.UsageError(f"cannot read {path}: {error.strerror}.") from error
    except msgspec.DecodeError as error:
        raise click.UsageError(f"{path} is not what ./run bench turn --json prints: {error}.") from error


def _steps_table(result: TurnBench, transport: Transport) -> Table:
    """Return where the time goes; steps of the same moment run beside each other."""
    calls = [call for call in result.calls if call.transport == transport and call.answered and not call.early]
    headings = ("n", "begins p50", "takes p50", "p95")
    table = new_table(f"{transport}: where the time goes; milliseconds", "step", *headings, right=1)
    for step, meaning in STEPS.items():
        spans = [call.steps[step] for call in calls if step in call.steps]
        if spans:
            begins = figures_of([begin for begin, _ in spans])
            table.add_row(
                meaning, *shown_ms(begins)[:2], *shown_ms(figures_of([end - begin for begin, end in spans]))[1:]
            )
    return table


async def _turn(
    clips: tuple[Path, ...], repeat: int, callers: int, url: str | None, transports: tuple[Transport, ...]
) -> TurnBench:
    tell = progress().print

    async def run(address: str) -> TurnBench:
        return await bench_turn(
            address, clips, transports=transports, repeat=repeat, callers=callers, tell=tell
        )  # fmt: skip

    if url is not None:
        return await run(url)
    async with own_server(tell) as address:
        return await run(address)


def _print_turn(result: TurnBench) -> None:
    console = table_console()
    console.print(str(result.machine))
    for transport in result.caller:
        console.print(_table(result, transport))
        console.print(_steps_table(result, transport))


def _table(result: TurnBench, transport: Transport) -> Table:
    calls = [call for call in result.calls if call.transport == transport]
    answered = sum(call.answered for call in calls)
    told = [f"{answered} of {len(calls)} calls answered"]
    if early := sum(call.early for call in calls):
        told.append(f"{early} of them before the speech was over, which count for no time")
    gaps = [max(call.gaps_s) for call in calls if call.gaps_s]
    if result.callers > 1:
        told.append(f"{len(gaps)} answers with a gap" + (f" (the longest {max(gaps):.2f} s)" if gaps else ""))
    crowd = "" if result.callers == 1 else f", {result.callers} callers at once"
    table = new_table(
        f"{transport}{crowd}: {', '.join(told)}; seconds from the true end",
        "stage", "n", "p50", "p95", "by the server's account: n", "p50", "p95", right=1,
    )  # fmt: skip
    stages, server = result.caller[transport], result.server[transport]
    for name in [name for name in STAGES if name in stages] + [name for name in server if name not in stages]:
        table.add_row(STAGES.get(name, name), *shown_s(stages.get(name)), *shown_s(server.get(name)))
    return table
