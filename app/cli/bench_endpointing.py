"""`voicechart bench endpointing`: when does the turn end, and how often too early?"""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import rich_click as click

from app.bench.clips import FOLDER, BadClips
from app.bench.endpointing import RuleFigures, bench_endpointing
from app.bench.figures import Machine, machine_after, machine_before
from app.caller.wav import BadRecording
from app.cli.bench_tables import new_table, progress, table_console

__all__ = ["endpointing"]


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def endpointing(files: tuple[Path, ...], as_json: bool) -> None:
    """Hear FILES (WAV, or folders of them; default: tests/speech) under our rule and under fixed silences.

    Delay: from the true end of the speech to the end of the turn, in seconds. Cut-offs: turns that ended although the
    speech went on; those taken back when it did were not heard by anybody.
    """
    clips = [clip for path in files or (FOLDER,) for clip in (sorted(path.glob("*.wav")) if path.is_dir() else [path])]
    if not clips:
        raise click.UsageError("there are no WAV files there; name some, or a folder that holds them")
    from app.wiring_models import SileroDetector, WhisperRecogniser

    machine, recogniser = machine_before(), WhisperRecogniser()
    try:
        figures, endings = asyncio.run(bench_endpointing(SileroDetector(), recogniser, clips, progress().print))
    except (BadRecording, BadClips) as error:
        raise click.BadParameter(str(error), param_hint="FILES") from error
    if as_json:
        click.echo(msgspec.json.encode({"rules": figures, "endings": endings}))
    else:
        _print(machine_after(machine), figures)


def _print(machine: Machine, figures: list[RuleFigures]) -> None:
    headings = ("n", "delay p50", "p95", "before the end", "cut-offs", "taken back")
    table = new_table("seconds from the true end of the speech to the end of the turn", "rule", *headings, right=1)
    for one in figures:
        delays = f"{one.delay_median:.3f}", f"{one.delay_p95:.3f}"
        table.add_row(one.rule, str(one.n), *delays, str(one.early), str(one.cut_offs), str(one.taken_back))
    console = table_console()
    console.print(str(machine))
    console.print(table)
