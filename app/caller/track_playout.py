"""The WebRTC client's loudspeaker, without the loudspeaker: which turn's audio went by, told by RTP timestamps."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from app.caller.heard import DUCK_GAIN, LOUD, PROGRESS_S, Heard, Hearing
from app.caller.messages import MarkMessage, MarkPayload, Playback, PlayoutMessage, ServerMessage
from statecharts.effects import PlayoutAction

__all__ = ["RTP_RATE_HZ", "TrackPlayer"]

RTP_RATE_HZ = 48_000
"""Media clock of Opus, whatever its bandwidth (RFC 7587, section 4.1)."""
_SKIP_S = 0.2
"""A track this far from its own clock was stopped or skipped ahead: place it anew by its arrival."""
_MEMORY = 250
"""Packets remembered for marks that come after their audio: 5 s of 20 ms."""


@dataclass
class _Span:
    hearing: Hearing
    start: int
    end: int | None = None
    pauses: list[tuple[int, int | None]] = field(default_factory=list)
    paused_by_order: bool = False

    def seconds_at(self, tick: int) -> float:
        """Return how much of this turn's own audio lies before a tick, in seconds."""
        until = tick if self.end is None else min(tick, self.end)
        ticks = until - self.start
        for paused, resumed in self.pauses:
            ticks -= max(0, min(until, until if resumed is None else resumed) - paused)
        return max(0, ticks) / RTP_RATE_HZ


class TrackPlayer:
    """Hears packets as they arrive (no jitter buffer of its own) and measures them against the server's marks."""

    def __init__(self) -> None:
        self.hearings: list[Hearing] = []
        self.heard = Heard()
        self.loud_at = 0.0
        self._spans: list[_Span] = []
        self._arrivals: deque[tuple[int, float]] = deque(maxlen=_MEMORY)
        self._position: int | None = None
        """Tick after the last sample heard, unwrapped."""
        self._place = 0.0
        """Clock time of that tick."""
        self._ducked = False
        self._cut = False

    def hear(self, rtp: int, pcm: bytes, now: float) -> None:
        """Take a decoded packet (s16le mono, 48 kHz) as it arrives; one that comes too late is not heard."""
        if np.abs(np.frombuffer(pcm, "<i2")).max(initial=0) >= LOUD:
            self.loud_at = now
        tick = self._unwrap(rtp)
        if self._position is not None and tick < self._position:
            return
        place = now if self._position is None else self._place + (tick - self._position) / RTP_RATE_HZ
        if abs(place - now) > _SKIP_S:
            place = now
        self._arrivals.append((tick, now))
        self._position = tick + len(pcm) // 2
        self._place = place + len(pcm) / 2 / RTP_RATE_HZ
        if not self._cut:
            self.heard.add(place, pcm, RTP_RATE_HZ, DUCK_GAIN if self._ducked else 1.0)

    def _unwrap(self, rtp: int) -> int:
        if self._position is None:
            return rtp
        # The nearest tick of that timestamp: it wraps every 25 hours from a random start (RFC 3550, section 5.1).
        return self._position + ((rtp - self._position + (1 << 31)) % (1 << 32)) - (1 << 31)

    def take(self, message: ServerMessage, now: float) -> list[Playback]:
        """Obey a mark or a playout order."""
        reports: list[Playback] = []
        match message:
            case MarkMessage(payload=mark):
                self._mark(mark, now)
            case PlayoutMessage(payload=order):
                reports = self._obey(order.action, order.turn, now)
        return reports + self.advance(now)

    def _mark(self, mark: MarkPayload, now: float) -> None:
        tick = self._unwrap(mark.rtp)
        span = next((s for s in self._spans if (s.hearing.turn, s.hearing.kind) == (mark.turn, mark.kind)), None)
        if mark.edge == "start" and span is None:
            hearing = Hearing(mark.turn, mark.kind, first_at=now)
            self._spans.append(_Span(hearing, tick))
            self._cut = False
            self._ducked = False
        elif span is not None and mark.edge == "pause":
            span.pauses.append((tick, None))
        elif span is not None and mark.edge == "resume" and span.pauses:
            paused = span.pauses[-1][0]
            span.pauses[-1] = (paused, tick)
            if not span.paused_by_order:
                span.hearing.gaps_s.append((tick - paused) / RTP_RATE_HZ)
            span.paused_by_order = False
        elif span is not None and mark.edge == "end":
            span.end = tick

    def _obey(self, action: PlayoutAction, turn: int, now: float) -> list[Playback]:
        match action:
            case "duck":
                self._ducked = True
            case "resume":
                self._ducked = False
            case "pause":  # the gateway pauses the track itself
                for span in self._spans:
                    span.paused_by_order = span.paused_by_order or span.hearing.turn == turn
                return []
            case "stop":
                reports = self.advance(now)
                self._cut = True
                live = [s.hearing for s in self._spans if s.hearing.turn <= turn and not s.hearing.ended]
                for hearing in live:
                    hearing.ended = "stopped"
                return reports + [Playback("playback_done", h.turn, h.kind, h.played_s) for h in live]
        return []

    def advance(self, now: float) -> list[Playback]:
        """Compare what was heard with the marks."""
        reports: list[Playback] = []
        for span in self._spans:
            if span.hearing.ended or self._position is None or self._position <= span.start:
                continue
            reports += self._progress(span, self._position)
        return reports

    def _progress(self, span: _Span, position: int) -> list[Playback]:
        hearing = span.hearing
        reports: list[Playback] = []
        if hearing.started_at is None:
            hearing.first_at = next((at for tick, at in self._arrivals if tick >= span.start), hearing.first_at)
            hearing.started_at = hearing.first_at
            self.hearings.append(hearing)
            reports.append(Playback("playback_started", hearing.turn, hearing.kind, 0.0))
        hearing.played_s = hearing.received_s = span.seconds_at(position)
        if span.end is not None and position >= span.end:
            hearing.ended = "played"
            # Without a number: the last packet's padding must not look like a few milliseconds unheard.
            reports.append(Playback("playback_done", hearing.turn, hearing.kind))
        elif hearing.played_s - hearing.reported_s >= PROGRESS_S:
            hearing.reported_s = hearing.played_s
            reports.append(Playback("playback_progress", hearing.turn, hearing.kind, hearing.played_s))
        return reports
