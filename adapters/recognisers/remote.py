"""A recogniser of other processes: utterances go to stt workers by the media lane, their words come back by it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import msgspec

from adapters.lane.pool import WorkerLost, WorkerPool
from adapters.lane.port import Failed, Heard
from adapters.recognisers.port import Overloaded, Recognised, RecogniserFailed

__all__ = ["RemoteRecogniser"]


class RemoteRecogniser:
    """What `./run worker stt` recognises with, on whichever machine."""

    def __init__(self, workers: WorkerPool) -> None:
        self._workers = workers

    @property
    def name(self) -> str:
        return "remote"

    async def recognise(self, pcm: bytes, *, deadline: float = 0.0) -> Recognised:
        began = asyncio.get_running_loop().time()
        try:
            async with aclosing(self._workers.ask("stt", {}, pcm, deadline)) as replies:
                async for reply in replies:
                    match reply:
                        case Heard(recognised):
                            # The way there and back counts too: partial words are paced by it.
                            took_s = asyncio.get_running_loop().time() - began
                            return msgspec.structs.replace(recognised, took_s=took_s)
                        case Failed(error, overloaded=True):
                            raise Overloaded(f"an stt worker cannot keep up: {error}")
                        case Failed(error):
                            raise RecogniserFailed(f"an stt worker failed: {error}")
        except WorkerLost as error:
            raise RecogniserFailed(str(error)) from error
        raise RecogniserFailed("an stt worker answered without words")

    def close(self) -> None:
        """It has no threads."""
