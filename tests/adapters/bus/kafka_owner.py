"""An owner for tests that stop or kill it: reads a batch, says so, and commits it when a line comes in."""

from __future__ import annotations

import asyncio
import sys

from adapters.bus.kafka import KafkaBus
from adapters.bus.port import BusUnavailable, Fenced
from tests.adapters.bus.steps import commit_of, has_entries, next_of, session


async def main(url: str) -> None:
    bus = KafkaBus(url, partitions=4)
    await bus.start()
    owner = bus.own(f"process-{session()}")
    batches = owner.batches()  # kept: dropped, it would renew nothing any more
    batch = await next_of(batches, has_entries)
    print("read", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    envelope = batch.entries[0].envelope
    assert envelope is not None
    try:
        await owner.commit(batch.lease, commit_of(batch, envelope.session_id, b"process"))
    except Fenced:
        print("fenced", flush=True)
    except BusUnavailable:
        print("unknown", flush=True)
    else:
        print("committed", flush=True)
    await owner.close()
    await bus.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
