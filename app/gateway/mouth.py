"""Speaks to one caller: has sentences synthesised, sends them in time, and keeps what may have to be said again."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

import structlog
from msgspec import Struct

from adapters.media.port import MediaLeg, MediaLost, SpokenChunk
from adapters.voices.port import SpeechPiece, SpokenWord, VoiceFailed
from app.gateway.inheriting import Inherited, left_of
from app.gateway.spoken_chunks import SpokenChunks
from statecharts.effects import PlayoutAction, Speak
from statecharts.events import Event, Kind, TtsChunkReady, TtsDone, TtsFailed
from statecharts.speech import Speech

__all__ = ["Mouth"]

_log = structlog.get_logger()

LEAD_S = 0.9
"""How far ahead of real time audio is sent at most: under the second that clients are promised, by more than a busy
machine's clocks disagree."""
READY_CHUNKS = 100
"""Synthesised chunks kept ready, 20 s: then the voice waits until some were sent."""


class _Ready(Struct):
    """A chunk on its way out; one that is sent again after a reconnect is not reported again."""

    chunk: SpokenChunk
    request_id: str
    again: bool = False
    words: tuple[SpokenWord, ...] = ()


class Mouth:
    """One caller's voice queue, synthesis and paced playout.

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
        # Bounded by what one answer holds: the orchestrator cancels a turn before it begins the next.
        self._wanted: asyncio.Queue[Speak] = asyncio.Queue()
        self._guessed: list[Speak] = []
        """What is prepared for a turn that may not come: not heard until it is committed."""
        self._inherited: dict[str, Inherited] = {}
        """Sentences that another gateway began, by their request."""
        self._ready: deque[_Ready] = deque()
        self._changed = asyncio.Event()
        self._sent: deque[_Ready] = deque()
        self._sent_request = ""
        """The request of which something was sent last."""
        self._lengths: dict[str, float] = {}
        """Seconds of each sentence that is synthesised and not all sent, by its request."""
        self._before_sent_s = 0.0
        self._paused_turn: int | None = None
        self._turn = -1
        self._kind: Kind = "answer"
        self._seq = 0
        self._ended = False
        self._ahead_until = 0.0
        self._used_leg: MediaLeg | None = None
        self._failed: tuple[int, Kind, int] | None = None
        """Turn and kind of the speech of which a voice could not say something, and which voice that was."""
        self._synthesis: asyncio.Task[None] | None = None
        self._request: Speak | None = None
        self._begun = False
        self._suspended = False

    @property
    def turn(self) -> int:
        """The turn whose audio was sent last; 0 before there was any."""
        return max(0, self._turn)

    @property
    def audible_turn(self) -> int | None:
        """The turn of which the client has audio to play now, if any."""
        return self._turn if self._sent and not self._paused and self._lead_s() > 0 else None

    @property
    def _paused(self) -> bool:
        return self._paused_turn is not None

    @property
    def _held_back(self) -> bool:
        """Nothing may be sent now: playing stands still, or what is ready is a guess."""
        return self._paused or bool(self._guessed)

    @property
    def _filler_is_over(self) -> bool:
        """Something of a filler is left, and the first sound of what it bridged to is there: it gives way."""
        kinds = {ready.chunk.kind for ready in self._ready}
        left = "filler" in kinds or (self._kind == "filler" and bool(self._sent))
        return left and bool(kinds - {"filler"})

    async def run(self) -> None:
        """Synthesise and send until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._synthesise_wanted(), name="mouth-synthesis")
            group.create_task(self._send_ready(), name="mouth-playout")

    async def speak(self, request: Speak) -> None:
        """Say the next sentence after those before it; a guess, when it is right."""
        if self._paused_turn != request.turn:
            self._unpause()
        if request.kind != "filler":
            self._unmake_filler()
        if request.speculative:
            self._guessed.append(request)
        if not self._is_of_a_failed_voice(request):
            self._wanted.put_nowait(request)

    def commit(self) -> None:
        """The guess was right: what was prepared may be heard."""
        self._guessed.clear()
        self._changed.set()

    def inherit(self, speech: Speech, played_s: float) -> None:
        """Go on with what another gateway was saying, of which the client has played so much.

        What is sent again joins what was played to within a word: a voice never says a sentence twice alike.
        """
        self._turn, self._kind, self._seq, self._ended = speech.turn, speech.kind, speech.next_seq, False
        self._before_sent_s = played_s
        for left in left_of(speech, played_s):
            self._inherited[left.request.request_id] = left
            self._wanted.put_nowait(left.request)

    def _is_of_a_failed_voice(self, request: Speak) -> bool:
        """Whether the chart could not know yet that this voice has failed: it will ask for it again."""
        if self._failed is None or request.medium == "text":
            return False
        return (request.turn, request.kind) == self._failed[:2] and request.voice <= self._failed[2]

    def cancel(self) -> None:
        """Synthesise and send nothing more of what was asked for until now."""
        self._unpause()
        self._guessed.clear()
        _drained(self._wanted)
        self._request = self._failed = None
        self._inherited.clear()
        self._ready.clear()
        self._lengths.clear()
        if self._synthesis is not None:
            self._synthesis.cancel()
        self._ended = True
        self._changed.set()

    async def end_filler(self) -> None:
        """Send nothing more of a filler; what the client still has of it is thrown away."""
        self._unmake_filler()
        self._ready = deque(ready for ready in self._ready if ready.chunk.kind != "filler")
        if self._kind != "filler" or not self._sent:
            return
        left_s, leg = self._lead_s(), self._used_leg or self._leg()
        self._sent.clear()
        self._ahead_until = 0.0
        self._changed.set()
        if left_s > 0 and leg is not None:
            await leg.playout("stop", self._turn)

    def _unmake_filler(self) -> None:
        """Synthesise nothing more of a filler: what it bridges to is there, and must not wait for it."""
        wanted = [request for request in _drained(self._wanted) if request.kind != "filler"]
        for request in wanted:
            self._wanted.put_nowait(request)
        if self._request is not None and self._request.kind == "filler":
            self._request = None
            if self._synthesis is not None:
                self._synthesis.cancel()

    def forget(self) -> None:
        """What was sent is over: it need not be sent again to a client that comes back."""
        self._sent.clear()

    def suspend(self) -> None:
        """The client is gone: a sentence of which there is no sound yet waits until one is there again."""
        if self._synthesis is not None and not self._synthesis.done() and not self._begun:
            self._suspended = True
            self._synthesis.cancel()

    def wake(self) -> None:
        """Look again where audio may go."""
        self._changed.set()

    async def playout(self, action: PlayoutAction, turn: int) -> None:
        """Duck, pause, stop or resume; a client that has no audio of this turn is not bothered."""
        heard_of = turn == self._turn and bool(self._sent)
        if action == "pause" and not self._paused:
            self._ahead_until = self._lead_s()
            self._paused_turn = turn
        elif action != "pause":
            self._unpause()
        if action == "stop":
            self.cancel()
            self._sent.clear()
            self._ahead_until = 0.0
        self._changed.set()
        leg = self._used_leg or self._leg()
        if leg is not None and heard_of:
            await leg.playout(action, turn)

    def rewind(self, played_s: float) -> None:
        """Send again what follows the first `played_s` seconds of the present speech: a new client knows nothing."""
        again: deque[_Ready] = deque()
        # What an earlier client had played is not kept any more.
        played_s = max(0.0, played_s - self._before_sent_s)
        self._before_sent_s += played_s
        for sent in self._sent:
            chunk = sent.chunk
            audio_s = len(chunk.pcm) / 2 / chunk.rate_hz
            if played_s >= audio_s and not chunk.is_final:
                played_s -= audio_s
                continue
            skip = round(played_s * chunk.rate_hz) * 2
            played_s = 0.0
            rest = SpokenChunk(
                turn=chunk.turn, kind=chunk.kind, seq=0, pcm=chunk.pcm[skip:], rate_hz=chunk.rate_hz,
                text=chunk.text, is_final=chunk.is_final,
            )  # fmt: skip
            again.append(_Ready(rest, sent.request_id, again=True))
        self._sent.clear()
        self._used_leg = None
        self._ready.extendleft(reversed(again))
        self._ahead_until = 0.0
        self._changed.set()

    def _unpause(self) -> None:
        if self._paused:
            self._ahead_until = asyncio.get_running_loop().time() + self._lead_s()
            self._paused_turn = None
            self._changed.set()

    async def _synthesise_wanted(self) -> None:
        while True:
            self._request = await self._wanted.get()
            while self._request is not None:
                if self._leg() is None:  # it would be work for nobody, before that of calls where somebody listens
                    self._changed.clear()
                    await self._changed.wait()
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
                async for piece in self._voices.speak(request.voice, text, self._out_of_audio_at()):
                    self._begun = True
                    for part, again in inherited.pieces(piece, made_s):
                        await self._make_ready(request, part, text, again=again)
                        text = ""
                    made_s += len(piece.pcm) / 2 / piece.rate_hz
                    rate_hz = piece.rate_hz
        except VoiceFailed as error:
            self._give_up(request, error)
            return
        self._lengths[request.request_id] = made_s
        if request.is_final:
            end = SpeechPiece(pcm=b"", rate_hz=rate_hz)
            await self._make_ready(request, end, text, is_final=True, again=inherited.end_reported)

    def _give_up(self, request: Speak, error: VoiceFailed) -> None:
        """Tell that this voice failed; what waits for it behind this sentence would come before it then."""
        left = self._voices.left_after(request.voice)
        _log.warning("not_spoken", turn=request.turn, voice=request.voice, voices_left=left, error=str(error))
        self._failed = request.turn, request.kind, request.voice
        if self._sent_request != request.request_id:  # not begun: another voice begins it anew
            self._ready = deque(ready for ready in self._ready if ready.request_id != request.request_id)
        for waiting in _drained(self._wanted):
            if not self._is_of_a_failed_voice(waiting):
                self._wanted.put_nowait(waiting)
        self._publish(
            TtsFailed(error=str(error), request_id=request.request_id, turn=request.turn, voices_left=left)
        )  # fmt: skip

    async def _make_ready(
        self, request: Speak, piece: SpeechPiece, text: str, *, is_final: bool = False, again: bool = False
    ) -> None:
        while len(self._ready) >= READY_CHUNKS:
            self._changed.clear()
            await self._changed.wait()
        chunk = SpokenChunk(
            turn=request.turn, kind=request.kind, seq=0, pcm=piece.pcm, rate_hz=piece.rate_hz, text=text,
            is_final=is_final,
        )  # fmt: skip
        self._ready.append(_Ready(chunk, request.request_id, again=again, words=piece.words))
        self._changed.set()

    async def _send_ready(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            leg = self._leg()
            sendable = bool(self._ready) and not self._held_back
            if sendable and self._filler_is_over:
                await self.end_filler()
                continue
            wait_s = self._early_s(self._ready[0].chunk, leg) if leg is not None and sendable else None
            if leg is None or wait_s is None or wait_s > 0:
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._changed.wait()
                continue
            ready = self._ready.popleft()
            self._changed.set()
            chunk = self._numbered(ready.chunk, leg)
            audio_s = len(chunk.pcm) / 2 / chunk.rate_hz
            self._ahead_until = max(self._ahead_until, loop.time()) + audio_s
            self._sent.append(_Ready(chunk, ready.request_id))
            self._sent_request = ready.request_id
            if not ready.again:
                self._report(chunk, audio_s, ready)
            try:
                await (self._used_leg or leg).play(chunk)
            except MediaLost:
                # Kept in `_sent`: what was not played is sent again when a client is back.
                self._used_leg = None

    def _early_s(self, chunk: SpokenChunk, leg: MediaLeg) -> float:
        """Return how long a chunk has to wait; one that moves to another leg, until the first has fallen silent."""
        if chunk.text and self._used_leg not in (None, leg):
            return self._lead_s()
        return self._lead_s() + len(chunk.pcm) / 2 / chunk.rate_hz - LEAD_S

    def _numbered(self, chunk: SpokenChunk, leg: MediaLeg) -> SpokenChunk:
        if (chunk.turn, chunk.kind) != (self._turn, self._kind) or self._ended:
            self._turn, self._kind, self._seq, self._ended = chunk.turn, chunk.kind, 0, False
            self._sent.clear()
            self._before_sent_s = 0.0
        # An answer that is running moves to a better leg at its next sentence.
        if chunk.text or self._used_leg is None:
            self._used_leg = leg
        self._seq += 1
        return SpokenChunk(
            turn=chunk.turn, kind=chunk.kind, seq=self._seq - 1, pcm=chunk.pcm, rate_hz=chunk.rate_hz,
            text=chunk.text, is_final=chunk.is_final,
        )  # fmt: skip

    def _report(self, chunk: SpokenChunk, audio_s: float, ready: _Ready) -> None:
        if chunk.pcm or chunk.seq:
            self._publish(
                TtsChunkReady(
                    seq=chunk.seq, audio_ms=audio_s * 1000, is_final=chunk.is_final, request_id=ready.request_id,
                    sentence_ms=round(self._lengths.get(ready.request_id, 0.0) * 1000, 3), words=ready.words,
                    turn=chunk.turn,
                )
            )  # fmt: skip
        if chunk.is_final:
            self._lengths.clear()
            self._publish(TtsDone(request_id=ready.request_id, turn=chunk.turn))

    def _out_of_audio_at(self) -> float:
        """Return when the client will have played what was sent and what is ready: more is wanted by then."""
        ready_s = sum(len(ready.chunk.pcm) / 2 / ready.chunk.rate_hz for ready in self._ready)
        return asyncio.get_running_loop().time() + self._lead_s() + ready_s

    def _lead_s(self) -> float:
        """Return how many seconds of sent audio the client has still to play."""
        if self._paused:
            return max(0.0, self._ahead_until)
        return max(0.0, self._ahead_until - asyncio.get_running_loop().time())


def _drained(queue: asyncio.Queue[Speak]) -> list[Speak]:
    """Take everything out of a queue."""
    return [queue.get_nowait() for _ in range(queue.qsize())]
