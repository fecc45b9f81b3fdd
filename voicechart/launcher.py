"""Starts the installed program: puts the rooms on the path of this process alone, then hands over."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["main"]

ROOMS = Path(__file__).parent / "rooms"


def main() -> int:
    """Run the command line; return its exit code."""
    sys.path.insert(0, str(ROOMS))
    # A server started from here (`bench`) is a process of its own and needs the rooms, too, and no `app` of the folder
    # it is started in.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOMS), os.environ.get("PYTHONPATH", "")]))
    os.environ["PYTHONSAFEPATH"] = "1"
    from app.cli.frame import main as run

    return run()
