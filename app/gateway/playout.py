"""Sends what was synthesised to one caller in time, and keeps what may have to be sent again."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from msgspec import Struct

from adapters.media.port import MediaLeg, MediaLost, SpokenChunk
from adapters.voices.port import SpokenWord
from statecharts.effects import PlayoutAction
from statecharts.events import Event, Kind, TtsChunkReady, TtsDone
from statecharts.speech import Speech

__all__ = ["LEAD_S", "Playout", "Ready"]

LEAD_S = 0.9
"""How far ahead of real time audio is sent at most: under the second that clients are promised, by more than a busy
machine's clocks disagree."""
READY_CHUNKS = 100
"""Synthesised chunks kept ready, 20 s: then the voice waits until some were sent."""


class Ready(Struct):
    """A chunk on its way out; one that is sent again after a reconnect is not reported again."""

    chunk: SpokenChunk
    request_id: str
    again: bool = False
    words: tuple[SpokenWord, ...] = ()


class Playout:
    """One caller's paced playout.

    Args:
        leg: Returns where audio goes now, or None while no client is there.
        publish: Takes each fact, in order.
    """

    def __init__(self, leg: Callable[[], MediaLeg | None], publish: Callable[[Event], None]) -> None:
        self._leg = leg
        self._publish = publish
        self._ready: deque[Ready] = deque()
        self._changed = asyncio.Event()
        self._sent: deque[Ready] = deque()
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
        self._withheld = False

    @property
    def turn(self) -> int:
        """The turn whose audio was sent last; 0 before there was any."""
        return max(0, self._turn)

    @property
    def audible_turn(self) -> int | None:
        """The turn of which the client has audio to play now, if any."""
        return self._turn if self._sent and not self._paused and self._lead_s() > 0 else None

    @property
    def out_of_audio_at(self) -> float:
        """When, by the event loop, the client will have played what was sent and what is ready: more is wanted then."""
        ready_s = sum(len(ready.chunk.pcm) / 2 / ready.chunk.rate_hz for ready in self._ready)
        return asyncio.get_running_loop().time() + self._lead_s() + ready_s

    @property
    def _paused(self) -> bool:
        return self._paused_turn is not None

    @property
    def _filler_is_over(self) -> bool:
        """Something of a filler is left, and the first sound of what it bridged to is there: it gives way."""
        kinds = {ready.chunk.kind for ready in self._ready}
        left = "filler" in kinds or (self._kind == "filler" and bool(self._sent))
        return left and bool(kinds - {"filler"})

    def wake(self) -> None:
        """Look again where audio may go."""
        self._changed.set()

    async def change(self) -> None:
        """Return when something has changed: where audio may go, or how much of it waits."""
        self._changed.clear()
        await self._changed.wait()

    # --- what is to be sent

    async def put(self, ready: Ready) -> None:
        """Send a chunk after those before it; wait while too many do."""
        while len(self._ready) >= READY_CHUNKS:
            await self.change()
        self._ready.append(ready)
        self._changed.set()

    def note_length(self, request_id: str, audio_s: float) -> None:
        """A sentence is synthesised, and so long."""
        self._lengths[request_id] = audio_s

    def drop_unsent(self, request_id: str) -> None:
        """Send nothing of a sentence, unless it was begun."""
        if self._sent_request != request_id:
            self._ready = deque(ready for ready in self._ready if ready.request_id != request_id)

    def withhold(self) -> None:
        """Send nothing more until it is released: it may never be to be heard."""
        self._withheld = True

    def release(self) -> None:
        """What was withheld may be heard."""
        self._withheld = False
        self._changed.set()

    def inherit(self, speech: Speech, played_s: float) -> None:
        """Go on numbering where another gateway was in a speech of which the client has played so much."""
        self._turn, self._kind, self._seq, self._ended = speech.turn, speech.kind, speech.next_seq, False
        self._before_sent_s = played_s

    def cancel(self) -> None:
        """Send nothing more of what is ready."""
        self.unpause()
        self._withheld = False
        self._ready.clear()
        self._lengths.clear()
        self._ended = True
        self._changed.set()

    async def end_filler(self) -> None:
        """Send nothing more of a filler; what the client still has of it is thrown away."""
        self._ready = deque(ready for ready in self._ready if ready.chunk.kind != "filler")
        if self._kind != "filler" or not self._sent:
            return
        left_s, leg = self._lead_s(), self._used_leg or self._leg()
        self._sent.clear()
        self._ahead_until = 0.0
        self._changed.set()
        if left_s > 0 and leg is not None:
            await leg.playout("stop", self._turn)

    # --- what was sent

    def forget(self) -> None:
        """What was sent is over: it need not be sent again to a client that comes back."""
        self._sent.clear()

    async def steer(self, action: PlayoutAction, turn: int) -> None:
        """Duck, pause, stop or resume; a client that has no audio of this turn is not bothered."""
        heard_of = turn == self._turn and bool(self._sent)
        if action == "pause" and not self._paused:
            self._ahead_until = self._lead_s()
            self._paused_turn = turn
        elif action != "pause":
            self.unpause()
        if action == "stop":
            self.cancel()
            self._sent.clear()
            self._ahead_until = 0.0
        self._changed.set()
        leg = self._used_leg or self._leg()
        if leg is not None and heard_of:
            await leg.playout(action, turn)

    def unpause(self, but_of: int | None = None) -> None:
        """Go on, unless it is this turn that is paused."""
        if self._paused_turn not in (None, but_of):
            self._ahead_until = asyncio.get_running_loop().time() + self._lead_s()
            self._paused_turn = None
            self._changed.set()

    def rewind(self, played_s: float) -> None:
        """Send again what follows the first `played_s` seconds of the present speech: a new client knows nothing."""
        again: deque[Ready] = deque()
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
            again.append(Ready(rest, sent.request_id, again=True))
        self._sent.clear()
        self._used_leg = None
        self._ready.extendleft(reversed(again))
        self._ahead_until = 0.0
        self._changed.set()

    # --- sending

    async def run(self) -> None:
        """Send what is ready, each when it is time, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            leg = self._leg()
            sendable = bool(self._ready) and not self._paused and not self._withheld
            if sendable and self._filler_is_over:
                await self.end_filler()
                continue
            wait_s = self._early_s(self._ready[0].chunk, leg) if leg is not None and sendable else None
            if leg is None or wait_s is None or wait_s > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self.change()
                continue
            ready = self._ready.popleft()
            self._changed.set()
            chunk = self._numbered(ready.chunk, leg)
            audio_s = len(chunk.pcm) / 2 / chunk.rate_hz
            self._ahead_until = max(self._ahead_until, loop.time()) + audio_s
            self._sent.append(Ready(chunk, ready.request_id))
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

    def _report(self, chunk: SpokenChunk, audio_s: float, ready: Ready) -> None:
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

    def _lead_s(self) -> float:
        """Return how many seconds of sent audio the client has still to play."""
        if self._paused:
            return max(0.0, self._ahead_until)
        return max(0.0, self._ahead_until - asyncio.get_running_loop().time())
