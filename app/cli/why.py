"""`voicechart why`: explain a silence."""

from __future__ import annotations

import time

import msgspec
import rich_click as click
from rich.console import Console
from rich.text import Text

from app.caller.report import STATE_COLOURS
from app.cli.places import place_of, place_options, rules_untold, tell
from app.replay.call_log import BadLog
from app.replay.silence import Dropped, Happened, Why, why
from app.replay.sources import read_logs, session_of
from app.replay.telling import fields
from statecharts.verdicts import Tried

__all__ = ["command"]


@click.command(name="why")
@click.argument("call", metavar="SESSION|FILE")
@click.option(
    "--at", type=click.FloatRange(min=0), metavar="T",
    help="The moment asked about, in seconds since the session began; from 100000000 on, Unix seconds.  "
         "[default: now, or the last fact of a call that is over]",
)  # fmt: skip
@place_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def command(call: str, at: float | None, url: str | None, bus: str | None, data: str | None, as_json: bool) -> None:
    """Say why a call is silent, or why it stopped: from its log, by taking it through the chart again.

    Prints the state, the last fact that was accepted, what ended our voice, what is awaited, the timers that run and
    what they will do, and the facts that were dropped, each with the guards that said no and what they looked at.
    """
    try:
        logs = read_logs([call], place_of(url, bus, data), tell)
        if len(logs) > 1:
            raise click.UsageError(f"{call} holds {len(logs)} calls; name one of its files.")
        log = logs[0]
        found = why(log, rules_untold(), at=at, now=time.time() if session_of(call) else None)
    except BadLog as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    Console(highlight=False).print(_told(found), soft_wrap=True)


def _told(found: Why) -> Text:
    text = Text(f"session {found.session_id}, {found.at_s:.3f} s after it began, turn {found.turn}\n", style="dim")
    text = Text.assemble(text, (found.state, STATE_COLOURS.get(found.state.split(".")[0], "")), "\n")
    text.append(f"{found.verdict}\n\n", style="bold")
    if found.last_accepted is not None:
        text.append(f"last accepted  {_happened(found.last_accepted)}\n")
    if found.voice_ended is not None:
        text.append(f"our voice      {found.voice_ended.how}: {_happened(found.voice_ended)}\n")
    for awaited in found.waiting_for:
        text.append(f"awaited        {awaited}\n")
    for timer in found.timers:
        when = f"in {timer.in_s:.3f} s" if timer.in_s >= 0 else f"{-timer.in_s:.3f} s ago"
        text.append(f"timer          {timer.name} at {timer.due_s:.3f} s ({when}): {timer.then}\n")
    for name, left_s in found.standing_still.items():
        text.append(f"stands still   {name}, {left_s:.3f} s left when a client is back\n")
    for line in found.next_in_log:
        text.append(f"then came      {line}\n", style="dim")
    if found.dropped:
        shown = f", the last {len(found.dropped)}" if found.dropped_in_all > len(found.dropped) else ""
        text.append(f"\ndropped: {found.dropped_in_all}{shown}\n", style="bold")
    for dropped in found.dropped:
        _append_dropped(text, dropped)
    text.rstrip()
    return text


def _happened(happened: Happened) -> str:
    return f"{happened.at_s:.3f} s  {happened.event}" + "".join(f"\n{'':15}{edge}" for edge in happened.edges)


def _append_dropped(text: Text, dropped: Dropped) -> None:
    text.append(f"  {dropped.at_s:9.3f} s  {dropped.event}\n")
    text.append(f"{'':14}{dropped.reason}\n", style="red")
    if not dropped.tried and dropped.reason.startswith("nothing to do"):
        text.append(f"{'':14}no edge from there is about it\n", style="dim")
    for tried in dropped.tried:
        text.append(f"{'':14}tried {tried.edge}\n")
        text.append(_denied(tried), style="dim")


def _denied(tried: Tried) -> str:
    said = tried.verdicts[-1]
    looked_at = fields(said.looked_at)
    return f"{'':20}{said.guard} is {str(said.value).lower()} ({said.means})" + (
        f": {looked_at}\n" if looked_at else "\n"
    )
