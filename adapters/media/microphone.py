"""The caller's audio on its way from the network to whoever listens."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

__all__ = ["HELD_S", "MICROPHONE_RATE_HZ", "MicrophoneQueue"]

MICROPHONE_RATE_HZ = 16_000
"""What detector and recogniser take."""

HELD_S = 5.0
"""Audio kept for a listener that is late, in seconds; older audio could no longer be answered in time."""

_BYTES_PER_SAMPLE = 2


class MicrophoneQueue:
    """Holds at most `HELD_S` of PCM (s16le, 16 kHz mono); when full, the oldest piece is thrown away."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._held_bytes = 0
        self._closed = False
        self._changed = asyncio.Event()

    def put(self, pcm: bytes) -> None:
        """Append a piece; after `close` it is ignored."""
        if self._closed:
            return
        self._pieces.append(pcm)
        self._held_bytes += len(pcm)
        while self._held_bytes > HELD_S * MICROPHONE_RATE_HZ * _BYTES_PER_SAMPLE:
            self._held_bytes -= len(self._pieces.popleft())
        self._changed.set()

    def close(self) -> None:
        """Let every reader end once it has taken what is held."""
        self._closed = True
        self._changed.set()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the audio in order, waiting for more until the queue is closed."""
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self._held_bytes -= len(piece)
                yield piece
            if self._closed:
                return
            self._changed.clear()
            await self._changed.wait()
