"""The WebSocket client's loudspeaker, without the loudspeaker: exact to the sample."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from app.caller.heard import DUCK_GAIN, PROGRESS_S, Heard, Hearing
from app.caller.messages import Playback, PlayoutMessage, ServerMessage, TtsChunk, TtsChunkPayload
from statecharts.effects import PlayoutAction

__all__ = ["ChunkPlayer", "Player"]


class Player(Protocol):
    """Plays what the server says and tells how far it is; every call says what time it is, never going back."""

    @property
    def hearings(self) -> list[Hearing]:
        """Every turn and kind whose audio has begun to arrive, oldest first."""

    @property
    def heard(self) -> Heard: ...

    @property
    def loud_at(self) -> float:
        """When audio that is no silence arrived last, wanted or not; 0 if none has."""

    def take(self, message: ServerMessage, now: float) -> list[Playback]:
        """Obey a message, if it concerns playing; return what to report."""

    def advance(self, now: float) -> list[Playback]:
        """Play until `now`; return what to report."""


@dataclass
class _Piece:
    hearing: Hearing
    pcm: bytes
    rate_hz: int
    is_final: bool
    next_byte: int = 0


class ChunkPlayer:
    """Joins `tts_chunk`s and plays them on a clock that is given.

    What arrives while nothing plays begins at once; what arrives in time joins without a gap.
    """

    def __init__(self) -> None:
        self.hearings: list[Hearing] = []
        self.heard = Heard()
        self.loud_at = 0.0
        self._queue: deque[_Piece] = deque()
        self._clock = 0.0
        self._ducked_turn: int | None = None
        self._paused_turn: int | None = None
        self._stopped_turn = -1

    def take(self, message: ServerMessage, now: float) -> list[Playback]:
        """Obey a chunk or a playout order."""
        reports = self.advance(now)
        match message:
            case TtsChunk(payload=chunk):
                self._enqueue(chunk, now)
            case PlayoutMessage(payload=order):
                reports += self._obey(order.action, order.turn)
            case _:
                return reports
        return reports + self.advance(now)

    def _enqueue(self, chunk: TtsChunkPayload, now: float) -> None:
        self.loud_at = now if chunk.audio_base64 else self.loud_at
        hearing = next((h for h in self.hearings if (h.turn, h.kind) == (chunk.turn, chunk.kind)), None)
        if chunk.turn < self._stopped_turn or (hearing is not None and hearing.ended == "stopped"):
            return  # after a filler that was stopped the turn's answer may still come
        if hearing is None:
            hearing = Hearing(chunk.turn, chunk.kind, first_at=now)
            self.hearings.append(hearing)
        hearing.received_s += len(chunk.audio_base64) / 2 / chunk.sample_rate
        if not self._queue:
            late_s = now - self._clock
            flowing = hearing.started_at is not None and hearing.turn != self._paused_turn
            if flowing and chunk.audio_base64 and late_s > 0:
                hearing.gaps_s.append(late_s)
            self._clock = max(self._clock, now)
        self._queue.append(_Piece(hearing, chunk.audio_base64, chunk.sample_rate, chunk.is_final))

    def _obey(self, action: PlayoutAction, turn: int) -> list[Playback]:
        match action:
            case "duck":
                self._ducked_turn = turn
            case "pause":
                self._paused_turn = turn
            case "resume":
                self._ducked_turn = self._paused_turn = None
            case "stop":
                return self._stop(turn)
        return []

    def _stop(self, turn: int) -> list[Playback]:
        self._stopped_turn = max(self._stopped_turn, turn)
        self._queue = deque(piece for piece in self._queue if piece.hearing.turn > turn)
        cut = [hearing for hearing in self.hearings if hearing.turn <= turn and not hearing.ended]
        return [_end(hearing, "stopped") for hearing in cut]

    def advance(self, now: float) -> list[Playback]:
        """Play until `now`; a pause only lets the clock run on."""
        reports: list[Playback] = []
        while self._queue and self._clock <= now:
            piece = self._queue[0]
            if piece.hearing.turn == self._paused_turn:
                self._clock = now
                break
            self._play(piece, now, reports.append)
            if piece.next_byte < len(piece.pcm):
                break
            self._queue.popleft()
            if piece.is_final:
                reports.append(_end(piece.hearing, "played"))
        return reports

    def _play(self, piece: _Piece, now: float, report: Callable[[Playback], None]) -> None:
        due = int((now - self._clock) * piece.rate_hz + 1e-6) * 2
        part = piece.pcm[piece.next_byte : piece.next_byte + due]
        if not part:
            return
        hearing = piece.hearing
        if hearing.started_at is None:
            hearing.started_at = self._clock
            report(Playback("playback_started", hearing.turn, hearing.kind, 0.0))
        gain = DUCK_GAIN if hearing.turn == self._ducked_turn else 1.0
        self.heard.add(self._clock, part, piece.rate_hz, gain)
        played_s = len(part) / 2 / piece.rate_hz
        piece.next_byte += len(part)
        self._clock += played_s
        hearing.played_s += played_s
        if hearing.played_s - hearing.reported_s >= PROGRESS_S:
            hearing.reported_s = hearing.played_s
            report(Playback("playback_progress", hearing.turn, hearing.kind, hearing.played_s))


def _end(hearing: Hearing, how: Literal["played", "stopped"]) -> Playback:
    hearing.ended = how
    if how == "played":  # all of it, without what adding up many small steps loses
        hearing.played_s = hearing.received_s
    return Playback("playback_done", hearing.turn, hearing.kind, hearing.played_s)
