from __future__ import annotations

import base64

import pytest

from adapters.media.microphone import MicrophoneQueue
from adapters.media.port import SpokenChunk
from adapters.media.websocket import MAX_FRAME_BYTES
from tests.adapters.media.clients import WebSocketClient


@pytest.mark.parametrize("size", [0, 1, 641, MAX_FRAME_BYTES + 2])
async def test_a_frame_that_holds_no_whole_samples_or_too_many_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"this one has {size} bytes"):
        WebSocketClient().leg.feed(bytes(size))


async def test_of_unheard_audio_the_last_five_seconds_are_kept() -> None:
    microphone = MicrophoneQueue()
    for second in range(8):
        microphone.put(bytes([second, 0]) * 16_000)
    microphone.close()
    assert [piece[0] for piece in [piece async for piece in microphone.pieces()]] == [3, 4, 5, 6, 7]


async def test_a_chunk_travels_as_the_contract_says() -> None:
    client = WebSocketClient()
    await client.leg.play(
        SpokenChunk(turn=4, kind="filler", seq=2, pcm=b"\1\2\3\4", rate_hz=22_050, text="Well.", is_final=True)
    )
    assert client.messages == [
        {
            "type": "tts_chunk",
            "payload": {
                "audio_base64": base64.b64encode(b"\1\2\3\4").decode(),
                "format": "pcm_s16le",
                "sample_rate": 22_050,
                "turn": 4,
                "seq": 2,
                "text": "Well.",
                "is_final": True,
                "kind": "filler",
            },
        }
    ]
    assert client.leg.buffered_s() == 0.0
