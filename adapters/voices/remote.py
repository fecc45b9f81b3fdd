"""A voice of other processes: sentences go to tts workers, their speech comes back by the media lane."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from adapters.lane.pool import WorkerLost, WorkerPool
from adapters.lane.port import Failed, Spoken
from adapters.voices.port import SpeechPiece, VoiceFailed

__all__ = ["RemoteVoice"]


class RemoteVoice:
    """What `./run worker tts` speaks with, on whichever machine."""

    def __init__(self, workers: WorkerPool) -> None:
        self._workers = workers

    @property
    def name(self) -> str:
        return "remote"

    async def synthesise(self, text: str, *, deadline: float = 0.0) -> AsyncIterator[SpeechPiece]:
        if not any(character.isalnum() for character in text):
            return
        try:
            async with aclosing(self._workers.ask("tts", {"text": text}, b"", deadline)) as replies:
                async for reply in replies:
                    match reply:
                        case Spoken(piece):
                            yield piece
                        case Failed(error):
                            raise VoiceFailed(f"a tts worker failed: {error}")
        except WorkerLost as error:
            raise VoiceFailed(str(error)) from error

    def close(self) -> None:
        """It has no threads."""
