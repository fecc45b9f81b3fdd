"""`voicechart freeze`: keep a call as a test."""

from __future__ import annotations

from pathlib import Path

import rich_click as click
from rich.console import Console
from rich.text import Text

from app.chart_version import CHART
from app.cli.files import replace_file
from app.cli.logs import log_to_stderr
from app.cli.places import place_of, place_options, rules_untold, tell
from app.cli.replay import told_difference
from app.replay.call_log import BadLog, CallLog, encode_log
from app.replay.freezing import frozen, refrozen
from app.replay.refold import compare, differences
from app.replay.sources import Place, read_logs
from app.scenario.of_call import scenario_of
from app.scenario.reading import parse_scenario
from app.scenario.stage import run_scenario
from app.scenario.writing import encode_scenario

__all__ = ["command"]

RECORDINGS = Path(__file__).parents[2] / "tests" / "recordings"
SCENARIOS = RECORDINGS.parent / "scenarios"


@click.command(name="freeze")
@click.argument("calls", nargs=-1, metavar="SESSION|FILE…")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write.  [default: the session's id in tests/recordings, or tests/scenarios]",
)
@click.option("--title", default="", help="What this call shows, in a sentence.")
@click.option(
    "--scenario", "as_scenario", is_flag=True,
    help="Write a scenario (TOML) instead: what the caller did and how fast the models were, for ./run scenario.",
)  # fmt: skip
@click.option("--again", is_flag=True, help="Write frozen calls anew with what today's chart does; shows what changes.")
@place_options
def command(
    calls: tuple[str, ...], out: Path | None, title: str, as_scenario: bool, again: bool, url: str | None,
    bus: str | None, data: str | None,
) -> int:  # fmt: skip
    """Keep a call as a test: its facts with their exact times, and the states and effects expected of them.

    The file is JSON Lines, one fact a line, fit to be reviewed; the test suite replays all that lie in
    tests/recordings. After an intended change of the chart, --again writes the given files (default: all of them) anew.

    With --scenario the call becomes a file that people can read and change; it is run at once, and exit code 1 says
    that what is seen then differs from what was seen in the call.

    A frozen call holds personal data: every word the caller said, and when. It holds no audio, no user id and no
    metadata. Ask the caller before you share it, or speak the call yourself.
    """
    place = place_of(url, bus, data)
    if again and as_scenario:
        raise click.UsageError("--again writes recordings anew; a scenario is written once: leave one of them out.")
    try:
        if as_scenario:
            return _freeze_as_scenario(calls, out, title, place)
        if again:
            _freeze_again(calls, out, place)
        else:
            _freeze(calls, out, title, place)
    except BadLog as error:
        raise click.UsageError(str(error)) from error
    return 0


def _one_log(calls: tuple[str, ...], out: Path | None, folder: Path, place: Place) -> CallLog:
    if len(calls) != 1:
        raise click.UsageError(f"name one session to freeze; {len(calls)} were named. `./run sessions` lists them.")
    if out is None and not folder.is_dir():
        raise click.UsageError(f"there is no {folder} to write into; pass --out FILE.")
    logs = read_logs(calls, place, tell)
    if len(logs) != 1:
        raise click.UsageError(f"{calls[0]} holds {len(logs)} calls; name one of its files.")
    return logs[0]


def _freeze_as_scenario(calls: tuple[str, ...], out: Path | None, title: str, place: Place) -> int:
    log = _one_log(calls, out, SCENARIOS, place)
    call = scenario_of(log, rules_untold(), title)
    path = out or SCENARIOS / f"{log.session_id}.toml"
    text = encode_scenario(call.scenario, call.remarks)
    replace_file(path, text.encode())
    click.echo(f"wrote {path}: {len(call.scenario.caller)} acts, {len(call.scenario.answers)} answers", err=True)
    for remark in call.remarks:
        click.echo(remark, err=True)
    log_to_stderr("error")
    outcome = run_scenario(parse_scenario(text, str(path)))
    if outcome.passed:
        click.echo("run as a scenario it shows what the call showed", err=True)
        return 0
    click.echo("run as a scenario it shows something else than the call did:", err=True)
    for failure in outcome.failures:
        click.echo(f"  {failure}", err=True)
    return 1


def _freeze(calls: tuple[str, ...], out: Path | None, title: str, place: Place) -> None:
    log = _one_log(calls, out, RECORDINGS, place)
    kept = frozen(log, title)
    path = out or RECORDINGS / f"{log.session_id}.jsonl"
    comparison = compare(kept, rules_untold())
    replace_file(path, encode_log(kept))
    click.echo(f"wrote {path}: {len(kept.facts)} facts, chart {kept.chart_version}", err=True)
    if len(kept.facts) < len(log.facts):
        click.echo(f"left out: {len(log.facts) - len(kept.facts)} facts that nobody has folded yet", err=True)
    if not comparison.same:
        click.echo(
            f"today's chart ({CHART}) does something else with it: see ./run replay {path}; "
            f"./run freeze --again {path} expects what it does now",
            err=True,
        )


def _freeze_again(calls: tuple[str, ...], out: Path | None, place: Place) -> None:
    if out is not None:
        raise click.UsageError("--again writes each file in its place; leave --out out.")
    files = list(map(Path, calls)) or sorted(RECORDINGS.glob("*.jsonl"))
    if missing := [path for path in files if not path.is_file()]:
        raise click.UsageError(f"--again takes frozen files; {missing[0]} is none.")
    if not files:
        raise click.UsageError(f"there is no frozen call in {RECORDINGS}.")
    logs = read_logs(list(map(str, files)), place, tell)
    console = Console(highlight=False)
    # All are computed before the first is written: one that cannot be replayed leaves the others as they were.
    for path, log, anew in [(path, log, refrozen(log, rules_untold())) for path, log in zip(files, logs, strict=True)]:
        console.print(_changes(log), soft_wrap=True)
        replace_file(path, encode_log(anew))


def _changes(log: CallLog) -> Text:
    text = Text()
    changed = 0
    for difference in differences(log, rules_untold()):
        changed += 1
        text.append_text(told_difference(difference))
    versions = f"chart {', '.join(log.chart_versions) or '?'} → {CHART}"
    told = f"{changed} of {len(log.facts)} facts do something else" if changed else "nothing changes"
    found = Text.assemble((f"{log.name}: {told} ({versions})\n", "bold"), text)
    found.rstrip()
    return found
