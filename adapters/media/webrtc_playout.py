"""What is to be said next, to the sample: push speech in, take frames out, pause, resume, stop."""

from __future__ import annotations

from collections import deque
from typing import Literal

import numpy as np

from adapters.media.opus import FRAME_BYTES, FRAME_SAMPLES, LOOKAHEAD_SAMPLES, OPUS_RATE_HZ, Resampler
from adapters.media.port import Mark, SpokenChunk
from statecharts.events import Kind

__all__ = ["MAX_AHEAD_S", "PlayoutQueue"]

MAX_AHEAD_S = 10.0
"""Most speech that may wait, in seconds. `play` is called at most 1 s ahead; who is far beyond forgot to pace."""

_REMEMBERED = 16
"""Turns and kinds whose played length is still known; older ones were reported long ago."""

_FADE_SAMPLES = 240
"""5 ms: too short to hear, long enough that speech resumed in the middle of a wave does not click."""


class _Stretch:
    """The audio of one turn and kind."""

    def __init__(self, turn: int, kind: Kind) -> None:
        self.turn = turn
        self.kind: Kind = kind
        self.pcm = bytearray()
        self.padding = 0
        """Bytes of silence at the end of `pcm` that are not speech."""
        self.final = False
        self.closed = False
        self.end_tick: int | None = None
        """Where its audio ended so far; None before its first packet."""
        self._resampler: Resampler | None = None

    def add(self, chunk: SpokenChunk) -> None:
        if self._resampler is not None and self._resampler.from_hz != chunk.rate_hz:
            self.pcm += self._resampler.flush()
            self._resampler = None
        if self._resampler is None:
            self._resampler = Resampler(chunk.rate_hz, OPUS_RATE_HZ)
        self.pcm += self._resampler.feed(chunk.pcm)
        if chunk.is_final:
            self.final = True
            self.close()

    def close(self) -> None:
        """Let nothing more come: fill the last frame so that all of the speech leaves the encoder."""
        if self.closed:
            return
        self.closed = True
        if self._resampler is not None:
            self.pcm += self._resampler.flush()
        if self.pcm or self.end_tick is not None:
            self.padding = 2 * LOOKAHEAD_SAMPLES
            self.padding += -(len(self.pcm) + self.padding) % FRAME_BYTES
            self.pcm += bytes(self.padding)

    def take(self) -> tuple[bytes, int]:
        """Return the next frame and how many of its samples are speech."""
        frame = bytes(self.pcm[:FRAME_BYTES])
        del self.pcm[:FRAME_BYTES]
        speech_before, speech_after = len(frame) + len(self.pcm) - self.padding, len(self.pcm) - self.padding
        return frame, (max(speech_before, 0) - max(speech_after, 0)) // 2


class PlayoutQueue:
    """The speech that waits for the wire, 48 kHz mono. Bounded by `MAX_AHEAD_S`: more is refused."""

    def __init__(self) -> None:
        self._stretches: deque[_Stretch] = deque()
        self._flowing: _Stretch | None = None
        self._paused_turn: int | None = None
        self._played: dict[tuple[int, Kind], int] = {}

    def push(self, chunk: SpokenChunk) -> None:
        """Append a chunk. One of another turn or kind ends what was pushed before; a newer turn ends a paused one.

        Raises:
            ValueError: The audio cuts a sample in half, its rate is unusable, or too much waits already.
        """
        if len(chunk.pcm) % 2 or not 8_000 <= chunk.rate_hz <= OPUS_RATE_HZ:
            raise ValueError(f"cannot play {len(chunk.pcm)} bytes at {chunk.rate_hz} Hz: want s16le at 8 to 48 kHz")
        if self.buffered_s() + len(chunk.pcm) / 2 / chunk.rate_hz > MAX_AHEAD_S:
            raise ValueError(f"more than {MAX_AHEAD_S} s would wait to be played; call play at most 1 s ahead")
        if self._paused_turn is not None and self._paused_turn < chunk.turn:
            self.stop(self._paused_turn)
        last = self._stretches[-1] if self._stretches else None
        if last is None or last.closed or (last.turn, last.kind) != (chunk.turn, chunk.kind):
            if last is not None:
                last.close()
            last = _Stretch(chunk.turn, chunk.kind)
            self._stretches.append(last)
        last.add(chunk)

    def pause(self, turn: int) -> None:
        """Send nothing more of a turn, but keep the place."""
        self._paused_turn = turn

    def resume(self, turn: int) -> None:
        """Go on where the turn was paused."""
        if self._paused_turn == turn:
            self._paused_turn = None

    def stop(self, turn: int) -> None:
        """Throw away what waits of this turn and of those before it."""
        self._stretches = deque(one for one in self._stretches if one.turn > turn)
        if self._flowing is not None and self._flowing.turn <= turn:
            self._flowing = None
        if self._paused_turn is not None and self._paused_turn <= turn:
            self._paused_turn = None

    def buffered_s(self) -> float:
        """Return how much speech waits, in seconds."""
        waiting = sum(max(len(one.pcm) - one.padding, 0) for one in self._stretches)
        return waiting / 2 / OPUS_RATE_HZ

    def played_s(self, turn: int, kind: Kind) -> float:
        """Return how much speech of a turn and kind was taken, in seconds; 0 for one long past."""
        return self._played.get((turn, kind), 0) / OPUS_RATE_HZ

    def take(self, tick: int) -> tuple[bytes | None, list[Mark]]:
        """Take the next 20 ms.

        Args:
            tick: Where in the media clock they will lie, in samples at 48 kHz.

        Returns:
            The frame (None: silence), and the marks it brings about, `rtp` counted like `tick`. A mark of an end or a
            pause names the first sample after the audio.
        """
        marks: list[Mark] = []
        while (head := self._head()) is not None and head.closed and not head.pcm:
            # Its last chunk was empty, or another turn's audio followed while it waited for more.
            self._finish(head, marks)
        if head is None or len(head.pcm) < FRAME_BYTES:
            self._interrupt(marks)
            return None, marks
        resumed = self._flowing is not head and head.end_tick is not None
        if self._flowing is not head:
            self._interrupt(marks)
            marks.append(_mark(head, "resume" if resumed else "start", tick))
        frame, speech_samples = head.take()
        self._count(head, speech_samples)
        self._flowing, head.end_tick = head, tick + FRAME_SAMPLES
        if head.closed and not head.pcm:
            self._finish(head, marks)
        return (_faded_in(frame) if resumed else frame), marks

    def _head(self) -> _Stretch | None:
        head = self._stretches[0] if self._stretches else None
        return None if head is not None and head.turn == self._paused_turn else head

    def _interrupt(self, marks: list[Mark]) -> None:
        if self._flowing is not None and self._flowing.end_tick is not None:
            marks.append(_mark(self._flowing, "pause", self._flowing.end_tick))
        self._flowing = None

    def _finish(self, head: _Stretch, marks: list[Mark]) -> None:
        if head.end_tick is not None and head.final:
            marks.append(_mark(head, "end", head.end_tick))
        elif self._flowing is head:
            self._interrupt(marks)
        self._flowing = None
        self._stretches.popleft()

    def _count(self, head: _Stretch, samples: int) -> None:
        key = (head.turn, head.kind)
        self._played[key] = self._played.get(key, 0) + samples
        while len(self._played) > _REMEMBERED:
            del self._played[next(iter(self._played))]


def _mark(stretch: _Stretch, edge: Literal["start", "pause", "resume", "end"], tick: int) -> Mark:
    return Mark(turn=stretch.turn, kind=stretch.kind, edge=edge, rtp=tick)


def _faded_in(frame: bytes) -> bytes:
    samples = np.frombuffer(frame, np.int16).astype(np.float32)
    samples[:_FADE_SAMPLES] *= np.linspace(0.0, 1.0, _FADE_SAMPLES, dtype=np.float32)
    return samples.astype(np.int16).tobytes()
