"""`voicechart bench endpointing`: when does the turn end, and how often too early?"""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import rich_click as click
from rich.console import Console
from rich.table import Table

from app.bench.endpointing import RuleFigures, bench_endpointing
from app.caller.wav import BadRecording

__all__ = ["endpointing"]

_CLIPS = Path(__file__).parents[2] / "tests" / "speech"


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def endpointing(files: tuple[Path, ...], as_json: bool) -> None:
    """Hear FILES (WAV, or folders of them; default: tests/speech) under our rule and under fixed silences.

    Delay: from the true end of the speech to the end of the turn, in seconds. Cut-offs: turns that ended although the
    speech went on; those taken back when it did were not heard by anybody.
    """
    clips = [clip for path in files or (_CLIPS,) for clip in (sorted(path.glob("*.wav")) if path.is_dir() else [path])]
    if not clips:
        raise click.UsageError("there are no WAV files there; name some, or a folder that holds them")
    from app.wiring import SileroDetector, WhisperRecogniser

    tell = Console(stderr=True, highlight=False, markup=False, style="dim").print
    try:
        figures, endings = asyncio.run(bench_endpointing(SileroDetector(), WhisperRecogniser(), clips, tell))
    except BadRecording as error:
        raise click.BadParameter(str(error), param_hint="FILES") from error
    if as_json:
        click.echo(msgspec.json.encode({"rules": figures, "endings": endings}))
    else:
        _print(figures)


def _print(figures: list[RuleFigures]) -> None:
    table = Table("rule")
    for heading in ("n", "delay median", "delay p95", "cut-offs", "taken back"):
        table.add_column(heading, justify="right")
    for one in figures:
        delays = f"{one.delay_median:.3f}", f"{one.delay_p95:.3f}"
        table.add_row(one.rule, str(one.n), *delays, str(one.cut_offs), str(one.taken_back))
    Console(highlight=False).print(table)
