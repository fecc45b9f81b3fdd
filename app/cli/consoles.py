"""Where tables are printed."""

from __future__ import annotations

import sys

from rich.console import Console

__all__ = ["table_console"]

PIPED_COLUMNS = 200


def table_console() -> Console:
    """Return a console as wide as the terminal, and wide enough that nothing is cut where there is none."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_COLUMNS)
