"""Asking a log that may be late."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from adapters.bus.port import BusUnavailable

__all__ = ["patiently"]

TRIES, RETRY_S = 3, 0.05
_T = TypeVar("_T")


async def patiently(ask: Callable[[], Awaitable[_T]], tries: int = TRIES) -> _T:
    """Ask the log, and ask again if it is late: on a busy machine a request may wait, where a call's audio may not.

    What is published twice is taken once: it carries its id.
    """
    for _ in range(tries - 1):
        try:
            return await ask()
        except BusUnavailable:
            await asyncio.sleep(RETRY_S)
    return await ask()
