"""Dead letters on Redis: read, tried again, dropped."""

from __future__ import annotations

from adapters.bus.codec import decode_entry, encode_envelope, request_again
from adapters.bus.redis_link import Keys, Link
from adapters.bus.redis_scripts import TAKE_LETTER
from statecharts.events import Envelope

__all__ = ["read_letters", "take_letter"]

PAGE_ENTRIES = 1000


async def read_letters(link: Link, keys: Keys) -> list[Envelope]:
    """Return the dead letters of all partitions, the oldest first."""
    found = [letter for partition in range(keys.partitions) for _, letter in await _letters(link, keys.dlq(partition))]
    return sorted(found, key=lambda letter: letter.timestamp)


async def take_letter(link: Link, keys: Keys, partition: int, letter: Envelope, *, retry: bool) -> bool:
    """Remove a dead letter, and hand its request out again if that is wanted; False if it is not there."""
    kind, request = request_again(letter) if retry else ("", letter)
    for position, there in await _letters(link, keys.dlq(partition)):
        if there.event_id == letter.event_id:
            names = [keys.dlq(partition), *([keys.tasks(kind, partition)] if retry else [])]
            return await link.script(TAKE_LETTER, names, position, encode_envelope(request)) == 1
    return False


async def _letters(link: Link, stream: str) -> list[tuple[str, Envelope]]:
    found: list[tuple[str, Envelope]] = []
    first = "-"
    while True:
        page = await link.range(stream, first, PAGE_ENTRIES)
        for entry in page:
            letter = decode_entry(entry.position, entry.data).envelope
            if letter is not None:
                found.append((entry.position, letter))
        if len(page) < PAGE_ENTRIES:
            return found
        first = f"({page[-1].position}"
