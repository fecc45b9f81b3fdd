"""Whether something blocks the event loop: then nobody is heard, and nobody speaks, for so long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

__all__ = ["watch_loop"]

_log = structlog.get_logger()

EVERY_S = 0.1
BLOCKED_S = 0.3
"""So late it is told in the log: a third of what a client has in reserve."""


async def watch_loop(note: Callable[[float], None]) -> None:
    """Note how late the event loop is, ten times a second, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + EVERY_S
        await asyncio.sleep(EVERY_S)
        late_s = max(0.0, loop.time() - due)
        note(late_s)
        if late_s >= BLOCKED_S:
            _log.warning("loop_blocked", seconds=round(late_s, 3))
