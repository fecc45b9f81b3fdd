"""A stretch of a caller's voice on its way to words."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from adapters.recognisers.port import Overloaded, Recognised, Recogniser, RecogniserFailed

__all__ = ["Attempt", "joined"]


class Attempt:
    """One stretch of audio being recognised.

    Args:
        recogniser: Shared by all calls.
        pcm: The audio (s16le, 16 kHz mono).
        end: Where on the tape it ends.
        patience_s: How long its words may take; the recogniser's queue serves the most urgent first.
    """

    def __init__(self, recogniser: Recogniser, pcm: bytes, end: int, patience_s: float) -> None:
        self.end = end
        self.final = False
        """Whether the voice has ended there, and did not go on before its words were told."""
        self._recogniser = recogniser
        self._pcm = pcm
        self._patience_s = patience_s
        self._running = self._begin()
        self._told = False
        """Somebody knows what came of it."""

    async def words(self) -> Recognised:
        """Return its words; asked again after a draft or a failure, it tries again.

        Raises:
            Overloaded: More utterances wait than can be recognised in time.
            RecogniserFailed: The recogniser could not do its work.
        """
        if self._told and (self._running.exception() is not None or self._running.result().draft):
            self._running, self._told = self._begin(), False
        try:
            return await asyncio.shield(self._running)
        finally:
            self._told = self._running.done()

    async def last_words(self) -> Recognised:
        """Return its words once they are no draft; what failed, perhaps long ago, is tried again once.

        Raises:
            Overloaded: It waited in vain, twice.
            RecogniserFailed: It failed twice.
        """
        try:
            heard = await self.words()
        except (Overloaded, RecogniserFailed):
            heard = await self.words()
        while heard.draft:
            heard = await self.words()
        return heard

    def drop(self) -> None:
        """Nobody wants its words any more."""
        self._running.cancel()

    def _begin(self) -> asyncio.Task[Recognised]:
        running = asyncio.create_task(self._recognise())
        # What nobody asks for any more may fail without a word.
        running.add_done_callback(lambda task: task.cancelled() or task.exception())
        return running

    async def _recognise(self) -> Recognised:
        deadline = asyncio.get_running_loop().time() + self._patience_s
        try:
            return await self._recogniser.recognise(self._pcm, deadline=deadline)
        except (Overloaded, RecogniserFailed):
            raise
        except Exception as error:  # a model may raise anything; here it becomes the one failure that the chart knows
            raise RecogniserFailed(f"it broke: {type(error).__name__}: {error}") from error


def joined(pieces: Sequence[Recognised]) -> Recognised:
    """Return the words of an utterance that was recognised in pieces; the confidence is that of the last."""
    return Recognised(
        text=" ".join(piece.text for piece in pieces if piece.text),
        confidence=pieces[-1].confidence,
        audio_s=sum(piece.audio_s for piece in pieces),
        took_s=pieces[-1].took_s,
    )
