"""A sentence as chunks of a size fit to be sent, by whichever of the voices is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from adapters.voices.port import SpeechPiece, SpokenWord, Voice, VoiceFailed

__all__ = ["SpokenChunks"]

CHUNK_S = 0.2
"""Audio per chunk: five messages a second, and no more than this is in flight when the caller barges in."""
FIRST_CHUNK_S = 0.1
"""Audio with which a sentence may begin: less would be played before more is there."""
PATIENCE_S = 2.0
"""A voice from which nothing comes for so long after it was needed has failed: ten times what ours take on a busy
machine, and soon enough for another to speak within the deadline of an answer."""


class SpokenChunks:
    """The voices of a gateway.

    Args:
        voices: The best first.
        patience_s: How long after it is needed the next piece of a sentence may come.
    """

    def __init__(self, voices: Sequence[Voice], patience_s: float = PATIENCE_S) -> None:
        self._voices = voices
        self._patience_s = patience_s

    def left_after(self, voice: int) -> int:
        """Return how many voices are left when this one and those before it have failed."""
        return max(0, len(self._voices) - 1 - voice)

    async def speak(self, voice: int, text: str, deadline: float) -> AsyncIterator[SpeechPiece]:
        """Yield a sentence's speech in chunks of at most `CHUNK_S`, the first one as soon as it may be sent.

        Args:
            voice: Which voice; beyond the last one it is that.
            text: The sentence.
            deadline: Event-loop time at which it is needed.

        Raises:
            VoiceFailed: The voice raised something, whatever it was, or nothing came from it in time.
        """
        held, rate_hz, least_s = b"", 16_000, FIRST_CHUNK_S
        words: tuple[SpokenWord, ...] = ()
        async for piece in self._pieces(self._voices[min(voice, len(self._voices) - 1)], text, deadline):
            held, words, rate_hz = held + piece.pcm, words + piece.words, piece.rate_hz
            while len(held) >= round(least_s * rate_hz) * 2:
                size = round(CHUNK_S * rate_hz) * 2
                yield SpeechPiece(pcm=held[:size], rate_hz=rate_hz, words=words)
                held, words, least_s = held[size:], (), CHUNK_S
        if held:
            yield SpeechPiece(pcm=held, rate_hz=rate_hz, words=words)

    async def _pieces(self, voice: Voice, text: str, deadline: float) -> AsyncIterator[SpeechPiece]:
        loop = asyncio.get_running_loop()
        pieces = voice.synthesise(text, deadline=deadline)
        needed_at = deadline
        while True:
            try:
                async with asyncio.timeout_at(max(loop.time(), needed_at) + self._patience_s):
                    piece = await anext(pieces, None)
            except VoiceFailed:
                raise
            except TimeoutError as error:
                raise VoiceFailed(f"{voice.name} said nothing for {self._patience_s:g} s") from error
            except Exception as error:  # a model may raise anything; the next voice speaks, or the text is shown
                raise VoiceFailed(f"{voice.name} broke: {type(error).__name__}: {error}") from error
            if piece is None:
                return
            needed_at = max(loop.time(), needed_at + len(piece.pcm) / 2 / piece.rate_hz)
            yield piece
