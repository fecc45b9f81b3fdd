"""Something blocks the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
import structlog

from app.loop_watch import watch_loop


@pytest.mark.fault(37)
async def test_what_blocks_the_loop_is_noticed(measured: Callable[[str], None]) -> None:
    late: list[float] = []
    with structlog.testing.capture_logs() as told:
        watching = asyncio.create_task(watch_loop(late.append))
        await asyncio.sleep(0.25)
        time.sleep(0.6)  # noqa: ASYNC251 - that is the fault
        await asyncio.sleep(0.25)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert max(late) >= 0.5
    assert [line["event"] for line in told if line["seconds"] >= 0.5] == ["loop_blocked"]
    measured(f"blocked for 0.6 s, noticed {max(late):.2f} s")
