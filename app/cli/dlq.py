"""`voicechart dlq`: the dead letters, requests that could not be served and wait for a person."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
import rich_click as click
from msgspec import Struct
from rich.table import Table

from adapters.bus.port import EventBus
from app.cli.consoles import table_console
from app.cli.places import place_of, tell
from app.patience import patiently
from app.replay.sources import Place, open_place
from statecharts.events import Envelope, VoicechartError

__all__ = ["command"]

SHORT_ID = 8
"""Characters of an id that the table shows; any beginning that fits one letter alone names it."""

_Command = TypeVar("_Command", bound=Callable[..., object])


class _Row(Struct, frozen=True):
    id: str
    request: str
    session_id: str
    turn: int
    attempts: int
    error: str
    at: float


@click.group(name="dlq")
def command() -> None:
    """Look after the dead letters: requests that failed every attempt, or that ended every worker that had them.

    Their conversations have gone on without them. One that is tried again is answered too late for its turn; whether it
    can be served at all, the log then shows.
    """


def _options(command: _Command) -> _Command:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else."),
        click.option("--data", help="Data folder of a server that brings its own log, running or not."),
        click.option("--bus", help="Where the log is.  [default: as in the settings]"),
    ):
        command = option(command)
    return command


@command.command(name="list")
@_options
def list_command(bus: str | None, data: str | None, as_json: bool) -> None:
    """List them, the oldest first."""
    rows = [_row(letter) for letter in asyncio.run(_letters(place_of(None, bus, data)))]
    if as_json:
        click.echo(msgspec.json.encode(rows))
        return
    if not rows:
        click.echo("there are no dead letters", err=True)
        return
    table = Table("id", "put aside", "request", "session", "turn", "attempts", "error", box=None, pad_edge=False)
    for row in rows:
        at = datetime.fromtimestamp(row.at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        table.add_row(row.id[:SHORT_ID], at, row.request, row.session_id, str(row.turn), str(row.attempts), row.error)
    table_console().print(table)


@command.command()
@click.argument("letter", metavar="ID")
@_options
def show(letter: str, bus: str | None, data: str | None, as_json: bool) -> None:
    """Show one: what was asked, how often it was tried, what went wrong."""
    [found] = _chosen(asyncio.run(_letters(place_of(None, bus, data))), [letter])
    encoded = msgspec.json.encode(found)
    click.echo(encoded if as_json else msgspec.json.format(encoded, indent=2))


@command.command()
@click.argument("letters", nargs=-1, required=True, metavar="ID…")
@_options
def retry(letters: tuple[str, ...], bus: str | None, data: str | None, as_json: bool) -> int:
    """Hand requests out again, as new ones."""
    return _take(letters, place_of(None, bus, data), "retried", as_json=as_json)


@command.command()
@click.argument("letters", nargs=-1, required=True, metavar="ID…")
@_options
def drop(letters: tuple[str, ...], bus: str | None, data: str | None, as_json: bool) -> int:
    """Throw dead letters away."""
    return _take(letters, place_of(None, bus, data), "dropped", as_json=as_json)


def _row(letter: Envelope) -> _Row:
    request = letter.payload.get("event")
    return _Row(
        id=letter.event_id,
        request=str(request.get("event_type", "?")).removeprefix("voice.") if isinstance(request, dict) else "?",
        session_id=letter.session_id,
        turn=letter.turn,
        attempts=int(str(letter.payload.get("attempts", 0))),
        error=str(letter.payload.get("error", "")),
        at=letter.timestamp,
    )


async def _letters(place: Place) -> list[Envelope]:
    async with open_place(place, tell) as (bus, _):
        return await patiently(bus.dead_letters)


def _chosen(letters: Sequence[Envelope], words: Sequence[str]) -> list[Envelope]:
    """Return the letters whose ids begin so. Raises VoicechartError unless each word names exactly one."""
    chosen: dict[str, Envelope] = {}
    for word in words:
        found = [letter for letter in letters if letter.event_id.startswith(word)]
        if len(found) != 1:
            many = (
                f"{len(found)} dead letters have ids that begin" if found else "there is no dead letter whose id begins"
            )
            raise VoicechartError(f"{many} with {word!r}; `./run dlq list --json` shows the ids in full.")
        chosen[found[0].event_id] = found[0]
    return list(chosen.values())


def _take(words: Sequence[str], place: Place, done: str, *, as_json: bool) -> int:
    async def take() -> tuple[list[str], list[str]]:
        async with open_place(place, tell) as (bus, _):
            return await _taken(bus, words, retry=done == "retried")

    taken, gone = asyncio.run(take())
    if as_json:
        click.echo(msgspec.json.encode({done: taken, "gone": gone}))
    else:
        for letter_id in taken:
            click.echo(f"{done} {letter_id[:SHORT_ID]}")
        for letter_id in gone:
            click.echo(f"somebody else took {letter_id[:SHORT_ID]}", err=True)
    return 1 if gone else 0


async def _taken(bus: EventBus, words: Sequence[str], *, retry: bool) -> tuple[list[str], list[str]]:
    taken: list[str] = []
    gone: list[str] = []
    for letter in _chosen(await patiently(bus.dead_letters), words):
        # Not patiently: an answer that was lost would make it look as if somebody else had taken it.
        there = await bus.take_dead_letter(letter, retry=retry)
        (taken if there else gone).append(letter.event_id)
    return taken, gone
