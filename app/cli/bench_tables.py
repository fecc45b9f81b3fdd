"""How benchmarks print what they found: the same table everywhere, n, p50 and p95 in every one."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from app.bench.figures import Figures
from app.cli.consoles import table_console

__all__ = ["new_table", "progress", "shown_ms", "shown_s", "table_console"]


def new_table(title: str, *headings: str, right: int = 2) -> Table:
    """Return an empty table; columns from the `right`th on hold numbers, none of them does if that is 0."""
    table = Table(title=title, title_justify="left")
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if right and place >= right else "left")
    return table


def shown_ms(figures: Figures) -> tuple[str, str, str]:
    """Return n, p50 and p95, these in milliseconds."""
    return str(figures.n), f"{figures.median * 1000:.0f}", f"{figures.p95 * 1000:.0f}"


def shown_s(figures: Figures | None) -> tuple[str, str, str]:
    """Return n, p50 and p95, these in seconds; nothing for nothing."""
    return (str(figures.n), f"{figures.median:.3f}", f"{figures.p95:.3f}") if figures else ("", "", "")


def progress() -> Console:
    """Return where it is told how far a measurement is."""
    return Console(stderr=True, highlight=False, markup=False, style="dim")
