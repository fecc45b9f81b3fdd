"""A worker's process for the tests: `python -m tests.faults.mortal_worker BUS`. The word "poison" kills it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator

from adapters.bus.redis_streams import RedisStreamsBus
from app.workers import Worker
from statecharts.events import Envelope, Event, IntentDetected


async def work(request: Envelope) -> AsyncIterator[Event]:
    """Answer after a moment, in which another request may kill us."""
    if request.payload["text"] == "poison":
        os.kill(os.getpid(), signal.SIGKILL)
    await asyncio.sleep(0.2)
    yield IntentDetected(intent="question", confidence=1.0)


async def main(url: str) -> None:
    bus = RedisStreamsBus(url)
    await bus.start()
    await Worker(bus, "intent", f"intent-{uuid.uuid4().hex}", work).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
