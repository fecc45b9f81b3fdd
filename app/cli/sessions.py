"""`voicechart sessions`: which sessions there are, and where each stands."""

from __future__ import annotations

import asyncio
import time

import msgspec
import rich_click as click
from msgspec import Struct
from rich.table import Table
from rich.text import Text

from app.caller.report import STATE_COLOURS
from app.cli.consoles import table_console
from app.cli.places import place_of, place_options, tell
from app.replay.sources import Place, open_source
from app.session_record import SessionView

__all__ = ["command"]


class _Row(Struct, frozen=True):
    session_id: str
    state: str
    substate: str
    connected: bool
    turns: int
    started_at: float
    last_event: str
    last_event_at: float


@click.command(name="sessions")
@place_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array and nothing else.")
def command(url: str | None, bus: str | None, data: str | None, as_json: bool) -> None:
    """List the sessions, the latest first: state, turns, when it started, what happened last."""
    rows = [_row(view) for view in asyncio.run(_sessions(place_of(url, bus, data)))]
    if as_json:
        click.echo(msgspec.json.encode(rows))
        return
    if not rows:
        click.echo("there are no sessions; `./run call FILE.wav` makes one", err=True)
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("session", no_wrap=True, min_width=36)  # it is there to be copied
    for heading in ("state", "turns", "started", "last event"):
        table.add_column(heading)
    now = time.time()
    for row in rows:
        table.add_row(
            row.session_id,
            Text(f"{row.state}.{row.substate}", STATE_COLOURS.get(row.state, "")),
            str(row.turns),
            f"{_ago(now - row.started_at)} ago",
            f"{row.last_event.removeprefix('voice.')}, {_ago(now - row.last_event_at)} ago",
        )
    table_console().print(table)


async def _sessions(place: Place) -> list[SessionView]:
    async with open_source(place, tell) as source:
        return await source.sessions()


def _row(view: SessionView) -> _Row:
    return _Row(
        view.session_id, view.state, view.substate, view.connected, view.turn, view.created_at, view.last_event,
        view.last_update,
    )  # fmt: skip


def _ago(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
