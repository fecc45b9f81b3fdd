"""`voicechart verify`: explore the whole chart and hold every property to it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import rich_click as click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from app.cli.drawings import as_bad_use, chart_option, deliver, kind_of
from app.verification.examples import examples, write_examples
from app.verification.hunting import Hunt, hunt
from app.verification.report import Report, told
from app.verification.verifying import verify_chart, verify_conversation
from diagrams.coverage import path_overlay
from diagrams.load import chart_class, model_of, module_of
from diagrams.render import DRAWN, draw
from statecharts.exploration import TooMany
from statecharts.proving import properties_of

__all__ = ["command"]

TELL_EVERY_S = 10.0


@click.command(name="verify")
@chart_option
@click.option("--properties", "modules", multiple=True, help="Module with properties of that chart; may be repeated.")
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to draw the way to the first failure, .svg or .png.  [default: among the temporary files]",
)
@click.option("--mutants", is_flag=True, help="Break the conversation in one place at a time: does anybody notice?")
@click.option("--only", default="", help="With --mutants: those alone whose name holds this text.")
@click.option(
    "--write-examples",
    "examples_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the shortest conversation through each edge and against each guard into this file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def command(
    chart: str,
    modules: tuple[str, ...],
    picture: Path | None,
    mutants: bool,
    only: str,
    examples_file: Path | None,
    as_json: bool,
) -> int:
    """Walk every situation the chart can get into, and check every property; exit code 1 if one is broken.

    With --mutants the proof itself is tried: the chart is broken mechanically, one edge, guard, action, timer or effect
    at a time, and each time a property or a fast test has to fail; exit code 1 if a broken chart gets through.
    """
    if modules and not chart:
        raise click.UsageError("--properties goes with --chart; the conversation has its own")
    if mutants and chart:
        raise click.UsageError("--mutants breaks the conversation; it takes no --chart")
    if only and not mutants:
        raise click.UsageError("--only goes with --mutants")
    if examples_file is not None:
        write_examples(examples_file, found := examples())
        click.echo(f"wrote {len(found)} examples to {examples_file}; look at what has changed, and commit it", err=True)
        return 0
    with _progress(as_json) as tell:
        if mutants:
            hunted = hunt(lambda done, of, last: tell(f"{done} of {of} mutants judged; {last[:70]}"), only)
        else:
            report = _verified(chart, modules, tell)
    if mutants:
        click.echo(msgspec.json.encode(hunted)) if as_json else _print_hunt(hunted)
        return 1 if hunted.survived else 0
    click.echo(msgspec.json.encode(report)) if as_json else _print(report)
    _draw_failure(chart, report, picture)
    return 0 if report.holds else 1


def _draw_failure(chart: str, report: Report, picture: Path | None) -> None:
    """Draw the way to the first failure that has one."""
    failure = next((failure for failure in report.failures if failure.run), None)
    if failure is None:
        return
    out = picture or Path(tempfile.gettempdir()) / f"voicechart-{failure.property}.svg"
    with as_bad_use():
        model = model_of(chart)
        path = [str(edge) for step in failure.run for edge in step.edges]
        overlay = path_overlay(model, path, f"broken: {failure.sentence}")
        deliver(draw(model, kind_of(out, DRAWN, "svg"), overlay=overlay), "svg", out)


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show what is being done on a terminal; elsewhere a line now and then."""
    console = Console(stderr=True, highlight=False, markup=False)
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    told_at = time.monotonic()
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as shown:
        task = shown.add_task("exploring ...", total=None)

        def tell(text: str) -> None:
            nonlocal told_at
            shown.update(task, description=text)
            if not quiet and not console.is_terminal and time.monotonic() > told_at + TELL_EVERY_S:
                told_at = time.monotonic()
                console.print(text)

        yield tell


def _verified(chart: str, modules: tuple[str, ...], tell: Callable[[str], None]) -> Report:
    def count(situations: int, walks: int) -> None:
        tell(f"{situations:,} situations explored, {walks:,} random walks")

    if not chart:
        return verify_conversation(count)
    with as_bad_use():
        cls = chart_class(chart)
        given = [module_of(name) for name in (chart.partition(":")[0], *modules)]
    names = {name: value for module in given for name, value in vars(module).items()}
    moves, key = names.get("moves"), names.get("key")
    try:
        return verify_chart(cls, properties_of(names), moves=moves, key=key, progress=count)
    except TooMany as error:
        raise click.ClickException(str(error)) from error


def _print(report: Report) -> None:
    console = Console(highlight=False, markup=False)
    table = Table(title=f"{report.chart}: what always holds", title_justify="left", show_header=False, box=None)
    for claim in report.properties:
        scope = {"step": "everywhere", "whole": "overall", "run": "along walks"}[claim.scope]
        table.add_row("ok" if claim.holds else "BROKEN", claim.sentence, scope)
    console.print(table)
    for failure in report.failures:
        console.print("\n" + "\n".join(told(failure)), soft_wrap=True)
    console.print(
        f"\n{report.states} states, {report.edges} edges, {report.edges_taken} of them taken; "
        f"{report.pairs} pairs of state and event: {report.pairs_taken} taken, "
        f"{report.pairs - report.pairs_taken} dropped with a reason\n"
        f"{report.situations:,} situations under {max(1, len(report.variants))} sets of rules, the farthest "
        f"{report.longest} events away; {report.steps:,} steps tried\n"
        f"{report.walks:,} random walks of {report.walk_steps:,} steps\n"
        f"{len(report.failures) or 'nothing'} broken, {report.seconds:.1f} s"
    )


def _print_hunt(hunted: Hunt) -> None:
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for prey in hunted.mutants:
        console.print(
            f"{prey.fate:<10} {prey.kind:<16} {prey.name}" + (f"  ({prey.by})" if prey.fate != "survived" else "")
        )
        if prey.fate == "survived":
            for line in prey.run:
                console.print(f"             {line}")
    console.print(
        f"\n{len(hunted.mutants)} mutants: {hunted.killed} killed, {hunted.equivalent} equivalent, "
        f"{hunted.survived} survived; {hunted.seconds:.0f} s"
    )
