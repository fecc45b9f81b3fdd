"""`voicechart scenario`: run turn-taking scenarios on virtual time."""

from __future__ import annotations

from pathlib import Path

import msgspec
import rich_click as click
from rich.console import Console

from app.cli.logs import log_to_stderr
from app.scenario.judging import Outcome
from app.scenario.reading import BadScenario, read_scenario
from app.scenario.stage import run_scenario

__all__ = ["command"]


@click.command(name="scenario")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a file, one on a line, and nothing else.")
def command(files: tuple[Path, ...], as_json: bool) -> int:
    """Run turn-taking scenarios written in TOML on virtual time, through the real call code.

    Exit code 0 if all that was expected was seen, 1 if not, 2 if a file is wrong.
    """
    log_to_stderr("error")
    errors = Console(stderr=True, highlight=False, markup=False)
    scenarios = []
    for path in files:
        try:
            scenarios.append((path, read_scenario(path)))
        except BadScenario as error:
            click.echo(f"voicechart: {error}", err=True)
    if len(scenarios) < len(files):
        return 2
    passed = True
    for path, scenario in scenarios:
        for name in scenario.policy.not_built:
            errors.print(f"{path}: this version knows no {name}; it is left out", style="yellow")
        outcome = run_scenario(scenario)
        passed = passed and outcome.passed
        click.echo(msgspec.json.encode(outcome) if as_json else _told(path, outcome))
    return 0 if passed else 1


def _told(path: Path, outcome: Outcome) -> str:
    lines = [f"{'passed' if outcome.passed else 'FAILED'}  {path}  {outcome.title}"]
    lines += [f"        {failure}" for failure in outcome.failures]
    return "\n".join(lines)
