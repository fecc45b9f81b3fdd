"""Speaks to one caller: has the sentences that are wanted synthesised, one after the other, and sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from adapters.media.port import MediaLeg, SpokenChunk
from adapters.voices.port import SpeechPiece, VoiceFailed
from app.gateway.inheriting import Inherited, left_of
from app.gateway.playout import Playout, Ready
from app.gateway.spoken_chunks import SpokenChunks
from statecharts.effects import PlayoutAction, Speak
from statecharts.events import Event, Kind, TtsFailed
from statecharts.speech import Speech

__all__ = ["Mouth"]

_log = structlog.get_logger()


class Mouth:
    """One caller's voice queue and synthesis.

    Args:
        voices: Shared by all calls.
        leg: Returns where audio goes now, or None while no client is there.
        publish: Takes each fact, in order.
    """

    def __init__(
        self,
        voices: SpokenChunks,
        leg: Callable[[], MediaLeg | None],
        publish: Callable[[Event], None],
    ) -> None:
        self._voices = voices
        self._leg = leg
        self._publish = publish
        self.playout = Playout(leg, publish)
        # Bounded by what one answer holds: the orchestrator cancels a turn before it begins the next.
        self._wanted: asyncio.Queue[Speak] = asyncio.Queue()
        self._inherited: dict[str, Inherited] = {}
        """Sentences that another gateway began, by their request."""
        self._failed: tuple[int, Kind, int] | None = None
        """Turn and kind of the speech of which a voice could not say something, and which voice that was."""
        self._synthesis: asyncio.Task[None] | None = None
        self._request: Speak | None = None
        self._begun = False
        self._suspended = False

    async def run(self) -> None:
        """Synthesise and send until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._synthesise_wanted(), name="mouth-synthesis")
            group.create_task(self.playout.run(), name="mouth-playout")

    async def speak(self, request: Speak) -> None:
        """Say the next sentence after those before it; a guess, when it is right."""
        self.playout.unpause(but_of=request.turn)
        if request.kind != "filler":
            self._unmake_filler()
        if request.speculative:
            self.playout.withhold()
        if not self._is_of_a_failed_voice(request):
            self._wanted.put_nowait(request)

    def inherit(self, speech: Speech, played_s: float) -> None:
        """Go on with what another gateway was saying, of which the client has played so much.

        What is sent again joins what was played to within a word: a voice never says a sentence twice alike.
        """
        self.playout.inherit(speech, played_s)
        for left in left_of(speech, played_s):
            self._inherited[left.request.request_id] = left
            self._wanted.put_nowait(left.request)

    def cancel(self) -> None:
        """Synthesise and send nothing more of what was asked for until now."""
        _drained(self._wanted)
        self._request = self._failed = None
        self._inherited.clear()
        if self._synthesis is not None:
            self._synthesis.cancel()
        self.playout.cancel()

    async def end_filler(self) -> None:
        """Synthesise and send nothing more of a filler."""
        self._unmake_filler()
        await self.playout.end_filler()

    def suspend(self) -> None:
        """The client is gone: a sentence of which there is no sound yet waits until one is there again."""
        if self._synthesis is not None and not self._synthesis.done() and not self._begun:
            self._suspended = True
            self._synthesis.cancel()

    async def steer(self, action: PlayoutAction, turn: int) -> None:
        """Duck, pause, stop or resume; what is stopped is not synthesised any more either."""
        if action == "stop":
            self.cancel()
        await self.playout.steer(action, turn)

    def _unmake_filler(self) -> None:
        """Synthesise nothing more of a filler: what it bridges to is there, and must not wait for it."""
        wanted = [request for request in _drained(self._wanted) if request.kind != "filler"]
        for request in wanted:
            self._wanted.put_nowait(request)
        if self._request is not None and self._request.kind == "filler":
            self._request = None
            if self._synthesis is not None:
                self._synthesis.cancel()

    def _is_of_a_failed_voice(self, request: Speak) -> bool:
        """Whether the chart could not know yet that this voice has failed: it will ask for it again."""
        if self._failed is None or request.medium == "text":
            return False
        return (request.turn, request.kind) == self._failed[:2] and request.voice <= self._failed[2]

    async def _synthesise_wanted(self) -> None:
        while True:
            self._request = await self._wanted.get()
            while self._request is not None:
                if self._leg() is None:  # it would be work for nobody, before that of calls where somebody listens
                    await self.playout.change()
                else:
                    await self._try_to_synthesise(self._request)

    async def _try_to_synthesise(self, request: Speak) -> None:
        self._begun = self._suspended = False
        self._synthesis = asyncio.create_task(self._synthesise(request), name="mouth-sentence")
        try:
            await asyncio.wait([self._synthesis])
        finally:
            self._synthesis.cancel()
        if not self._suspended:
            self._request = None
        if not self._synthesis.cancelled() and (error := self._synthesis.exception()) is not None:
            raise error

    async def _synthesise(self, request: Speak) -> None:
        """Turn a sentence into chunks; an answer ends with an empty one, so that none is held back as the last."""
        text, rate_hz, made_s = request.text, 16_000, 0.0
        inherited = self._inherited.get(request.request_id) or Inherited(request)
        try:
            if text and request.medium == "voice":
                async for piece in self._voices.speak(request.voice, text, self.playout.out_of_audio_at):
                    self._begun = True
                    for part, again in inherited.pieces(piece, made_s):
                        await self._make_ready(request, part, text, again=again)
                        text = ""
                    made_s += len(piece.pcm) / 2 / piece.rate_hz
                    rate_hz = piece.rate_hz
        except VoiceFailed as error:
            self._give_up(request, error)
            return
        self.playout.note_length(request.request_id, made_s)
        if request.is_final:
            end = SpeechPiece(pcm=b"", rate_hz=rate_hz)
            await self._make_ready(request, end, text, is_final=True, again=inherited.end_reported)

    def _give_up(self, request: Speak, error: VoiceFailed) -> None:
        """Tell that this voice failed; what waits for it behind this sentence would come before it then."""
        left = self._voices.left_after(request.voice)
        _log.warning("not_spoken", turn=request.turn, voice=request.voice, voices_left=left, error=str(error))
        self._failed = request.turn, request.kind, request.voice
        self.playout.drop_unsent(request.request_id)  # not begun: another voice begins it anew
        for waiting in _drained(self._wanted):
            if not self._is_of_a_failed_voice(waiting):
                self._wanted.put_nowait(waiting)
        self._publish(
            TtsFailed(error=str(error), request_id=request.request_id, turn=request.turn, voices_left=left)
        )  # fmt: skip

    async def _make_ready(
        self, request: Speak, piece: SpeechPiece, text: str, *, is_final: bool = False, again: bool = False
    ) -> None:
        chunk = SpokenChunk(
            turn=request.turn, kind=request.kind, seq=0, pcm=piece.pcm, rate_hz=piece.rate_hz, text=text,
            is_final=is_final,
        )  # fmt: skip
        await self.playout.put(Ready(chunk, request.request_id, again=again, words=piece.words))


def _drained(queue: asyncio.Queue[Speak]) -> list[Speak]:
    """Take everything out of a queue."""
    return [queue.get_nowait() for _ in range(queue.qsize())]
