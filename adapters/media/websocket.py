"""A caller whose audio travels as raw PCM over a WebSocket."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable

from adapters.media.microphone import MicrophoneQueue
from adapters.media.port import MediaLost, SpokenChunk
from statecharts.effects import PlayoutAction

__all__ = ["MAX_FRAME_BYTES", "WebSocketLeg"]

MAX_FRAME_BYTES = 64 * 1024
"""Longest binary frame taken from a client: 2 s of audio."""


class WebSocketLeg:
    """The `MediaLeg` of a client that buffers and plays by itself.

    Args:
        send: Sends one JSON message to the client, in order.
    """

    def __init__(self, send: Callable[[dict[str, object]], Awaitable[None]]) -> None:
        self._send = send
        self._microphone = MicrophoneQueue()
        self._closed = False

    @property
    def transport(self) -> str:
        return "websocket"

    def feed(self, pcm: bytes) -> None:
        """Take one binary frame of the client's microphone (PCM s16le, 16 kHz mono).

        Raises:
            ValueError: The frame is empty, cuts a sample in half or is longer than `MAX_FRAME_BYTES`.
        """
        if not pcm or len(pcm) % 2 or len(pcm) > MAX_FRAME_BYTES:
            raise ValueError(
                f"a microphone frame holds 16-bit samples, 2 to {MAX_FRAME_BYTES} bytes; this one has {len(pcm)} bytes"
            )
        self._microphone.put(pcm)

    def microphone(self) -> AsyncIterator[bytes]:
        return self._microphone.pieces()

    async def play(self, chunk: SpokenChunk) -> None:
        """Send a chunk to the client's buffer. Raises MediaLost after `close`."""
        if self._closed:
            raise MediaLost("the WebSocket leg is closed; nobody can hear this chunk")
        payload: dict[str, object] = {
            "audio_base64": base64.b64encode(chunk.pcm).decode("ascii"),
            "format": "pcm_s16le",
            "sample_rate": chunk.rate_hz,
            "turn": chunk.turn,
            "seq": chunk.seq,
            "text": chunk.text,
            "is_final": chunk.is_final,
            "kind": chunk.kind,
        }
        await self._send({"type": "tts_chunk", "payload": payload})

    async def playout(self, action: PlayoutAction, turn: int) -> None:
        """Tell the client, which holds the audio; a closed leg plays nothing that could be steered."""
        if not self._closed:
            await self._send({"type": "playout", "payload": {"action": action, "turn": turn}})

    def buffered_s(self) -> float:
        return 0.0

    async def close(self) -> None:
        self._closed = True
        self._microphone.close()
