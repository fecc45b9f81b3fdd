"""What both legs promise."""

from __future__ import annotations

import asyncio

import pytest

from adapters.media.port import MediaLost, SpokenChunk
from tests.adapters.media.clients import Client, eventually
from tests.adapters.media.signals import pitches, scale, tones


def chunk(pcm: bytes, *, seq: int = 0, turn: int = 1, is_final: bool = False, text: str = "") -> SpokenChunk:
    return SpokenChunk(turn=turn, kind="answer", seq=seq, pcm=pcm, rate_hz=24_000, text=text, is_final=is_final)


async def listened(client: Client, seconds: float) -> bytes:
    heard = bytearray()
    async with asyncio.timeout(seconds + 5.0):
        async for pcm in client.leg.microphone():
            assert len(pcm) % 2 == 0
            heard += pcm
            if len(pitches(bytes(heard), 16_000)) * 0.1 >= seconds:
                break
    return bytes(heard)


async def test_the_callers_audio_arrives_whole_and_in_order(client: Client) -> None:
    client.speak(tones(scale(8), 16_000))
    assert pitches(await listened(client, 0.8), 16_000) == scale(8)


async def test_chunks_are_heard_in_order_and_without_gaps(client: Client) -> None:
    pcm = tones(scale(8), 24_000)
    # 3001 samples: chunks end in the middle of a tone and of an Opus frame.
    pieces = [pcm[start : start + 6002] for start in range(0, len(pcm), 6002)]
    for seq, piece in enumerate(pieces):
        await client.leg.play(chunk(piece, seq=seq, is_final=seq == len(pieces) - 1))
    await eventually(lambda: len(pitches(client.heard(), client.heard_rate_hz)) >= 8)
    await eventually(lambda: client.leg.buffered_s() == 0.0)
    assert pitches(client.heard(), client.heard_rate_hz) == scale(8)


@pytest.mark.parametrize("action", ["duck", "pause", "resume", "stop"])
async def test_the_client_is_told_of_every_playout_action(client: Client, action: str) -> None:
    match action:
        case "duck" | "pause" | "resume" | "stop":
            await client.leg.playout(action, 3)
    told = {"type": "playout", "payload": {"action": action, "turn": 3}}
    await eventually(lambda: client.messages == [told])


async def test_a_closed_leg_ends_its_microphone_and_plays_nothing(client: Client) -> None:
    async def listen() -> None:
        async for _ in client.leg.microphone():
            continue

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)
    await client.leg.close()
    await client.leg.close()
    await asyncio.wait_for(listening, 1.0)
    with pytest.raises(MediaLost):
        await client.leg.play(chunk(tones([440], 24_000)))
    await client.leg.playout("stop", 1)
