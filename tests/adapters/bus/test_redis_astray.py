"""A master that was replaced and does not know it yet may answer with what its successor never had."""

from __future__ import annotations

import pytest

from adapters.bus.codec import encode_command, encode_envelope
from adapters.bus.port import BusUnavailable, Command
from adapters.bus.redis_link import Link
from adapters.bus.redis_streams import RedisStreamsBus
from tests.adapters.bus.steps import commit_of, fact, has_entries, next_of, numbers, owning, session, something_waits


@pytest.mark.parametrize("other_there", [True, False])
async def test_facts_that_the_log_does_not_have_are_not_folded(
    redis_bus: RedisStreamsBus, link: Link, other_there: bool
) -> None:
    session_id = session()
    owner, batches, batch = await owning(redis_bus, fact(session_id, 1))
    stream, position = f"voice:events:{{p{batch.lease.partition:02d}}}", batch.entries[-1].position
    earlier, other = f"{int(position.split('-')[0]) - 1}-0", encode_envelope(fact(session_id, 3))
    await link.call("DEL", stream)  # as if a successor had taken other facts instead
    await link.call("XADD", stream, earlier, "data", encode_envelope(fact(session_id, 2)))
    if other_there:
        await link.call("XADD", stream, position, "data", other)
    with pytest.raises(BusUnavailable):
        await owner.commit(batch.lease, commit_of(batch, session_id))
    assert await redis_bus.journal(session_id) == []
    assert not (await next_of(batches)).entries
    found = await next_of(batches, has_entries)
    assert numbers(found) == ([2, 3] if other_there else [2])
    await owner.commit(found.lease, commit_of(found, session_id))
    await owner.close()


async def test_a_fact_of_a_stranger_with_more_fields_is_committed(redis_bus: RedisStreamsBus, link: Link) -> None:
    session_id = session()
    await link.call("XADD", "voice:events:{p03}", "*", "by", "hand", "data", encode_envelope(fact(session_id, 1)))
    owner = redis_bus.own("one")
    batch = await next_of(owner.batches(), has_entries)
    await owner.commit(batch.lease, commit_of(batch, session_id))
    await owner.close()


async def test_a_gateway_hears_commands_that_stand_before_what_it_has_heard(
    redis_bus: RedisStreamsBus, link: Link
) -> None:
    lane, commands = "voice:gateway:g1:{p02}", redis_bus.listen("g1")
    for position in ("7-0", "5-0"):
        command = Command(session_id=session(), epoch=1, effects=[{"at": position}])
        await link.call("DEL", lane)
        await link.call("XADD", lane, position, "data", encode_command(command))
        assert (await anext(commands)).effects == command.effects
    assert not await something_waits(commands)
