"""`voicechart config`: the settings, and where each comes from."""

from __future__ import annotations

from pathlib import Path

import msgspec
import rich_click as click
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from app.settings import CONFIG_FILE, Settings, load_settings, masked, origin_of

__all__ = ["command"]


@click.command(name="config")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option(
    "--copy-dialogue", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="Write the dialogue texts in use into a new FILE, to be edited.",
)  # fmt: skip
def command(as_json: bool, copy_dialogue: Path | None) -> None:
    """Show every setting, its value and where it comes from; passwords are masked."""
    settings = load_settings()
    if copy_dialogue is not None:
        _copy(settings.dialogue, copy_dialogue)
        return
    rows = {name: {"value": _shown(settings, name), "from": origin_of(name)} for name in Settings.model_fields}
    if as_json:
        click.echo(msgspec.json.encode(rows))
        return
    table = Table("setting", Column("value", overflow="fold"), "from")
    for name, row in rows.items():
        table.add_row(name, Text(_in_words(row["value"])), str(row["from"]))
    Console().print(table)


def _copy(source: Path, target: Path) -> None:
    if target.exists():
        raise click.UsageError(f"{target} exists; name a file that does not, or remove it first.")
    target.write_bytes(source.read_bytes())
    click.echo(f'wrote {target}; dialogue = "{target}" in {CONFIG_FILE} makes it the one in use', err=True)


def _shown(settings: Settings, name: str) -> object:
    value = getattr(settings, name)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [masked(item) for item in value]
    return masked(value) if isinstance(value, str) else value


def _in_words(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else str(value)
