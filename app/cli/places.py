"""What the commands about logs share: where sessions are looked up, and the rules where a log tells none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import rich_click as click

from app.cli.address import SERVER_URL
from app.replay.sources import Place
from app.settings import load_settings
from statecharts.phrases import Phrases
from statecharts.policy import Policy

__all__ = ["place_of", "place_options", "rules_untold", "tell"]

_Command = TypeVar("_Command", bound=Callable[..., object])


def place_options(command: _Command) -> _Command:
    """Add `--url`, `--bus` and `--data`."""
    for option in (
        click.option("--data", help="Data folder of a server that brings its own log, running or not."),
        click.option("--bus", help="Where the log is."),
        click.option(
            "--url",
            type=SERVER_URL,
            help="Address of a running server.  [default: the one of the settings, else its data]",
        ),
    ):
        command = option(command)
    return command


def place_of(url: str | None, bus: str | None, data: str | None) -> Place:
    """Return where to look. Raises click.UsageError if several places are named."""
    given = [name for name, value in (("--url", url), ("--bus", bus), ("--data", data)) if value is not None]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} name two places; pass one of them.")
    return Place(url, bus, data)


def tell(line: str) -> None:
    """Print progress where it does not mix with the output."""
    click.secho(line, err=True, dim=True)


def rules_untold() -> tuple[Policy, Phrases]:
    """Return the rules of the settings, for a log that does not say under which it was recorded."""
    return load_settings().rules
