"""Our voice and the client's player in a replayed call, as its recording knows them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import get_args

from msgspec import Struct

from app.replay.agenda import Agenda
from app.replay.known import REPORT_S, Known, Spoken
from statecharts.effects import Speak
from statecharts.events import Kind, PlaybackDone, PlaybackStarted, TtsChunkReady, TtsDone

__all__ = ["VoiceAgain"]

CHUNK_S = 0.2
"""Audio in one chunk of the voice, as the gateway cuts it."""


class _Playing(Struct):
    """One turn's audio at the client."""

    turn: int
    kind: Kind
    began_at: float
    received_s: float = 0.0
    lost_s: float = 0.0
    """Time in which nothing was played: pauses, and gaps without audio."""


class VoiceAgain:
    """Speaks what it is asked to, and plays it in real time.

    Args:
        known: What the recording tells.
        agenda: Where its facts go.
    """

    def __init__(self, known: Known, agenda: Agenda) -> None:
        self._known = known
        self._agenda = agenda
        self._free_at = 0.0
        self._guessed: list[tuple[Speak, float]] = []
        self._filler_turn: int | None = None
        self._playing: _Playing | None = None
        self._paused = self._away = False

    def speak(self, request: Speak, at: float) -> None:
        """Send a sentence's audio, after that of the sentences before it; that of a guess when it is committed."""
        if request.speculative:
            self._guessed.append((request, at))
        else:
            self._send(request, at, at)

    def commit(self, turn: int, at: float) -> None:
        """The guess was right: what was prepared may be sent."""
        guessed, self._guessed = self._guessed, []
        for request, asked_at in guessed:
            if request.turn == turn:
                self._send(request, asked_at, at)

    def _end_filler(self, turn: int) -> None:
        """Send nothing more of this turn's filler, and play nothing more of it."""
        if self._filler_turn != turn:
            return
        self._filler_turn, self._free_at = None, 0.0
        self._agenda.cancel(turn, of_voice=True)
        if self._playing is not None and self._playing.kind == "filler":
            self._playing = None

    def _send(self, request: Speak, asked_at: float, now: float) -> None:
        if request.kind == "filler":
            self._filler_turn = request.turn
        else:
            self._end_filler(request.turn)  # a filler gives way to what it bridged to
        spoken = self._known.spoken.get(request.text) or Spoken(whole=not request.text)
        chunks = [(delay_s, audio_s, "") for delay_s, audio_s in spoken.chunks]
        if not spoken.whole:
            chunks += self._unsent(request.text, spoken)
        ready_s = spoken.ready_s if spoken.measured else min(spoken.ready_s or math.inf, self._known.first_audio_s)
        first_at = max(now, asked_at + ready_s, self._free_at)
        whole_ms = sum(audio_s for _, audio_s, _ in chunks) * 1000
        for number, (delay_s, audio_s, assumed) in enumerate(chunks):
            event = TtsChunkReady(
                turn=request.turn, request_id=request.request_id, audio_ms=audio_s * 1000, sentence_ms=whole_ms,
                seq=number,
            )  # fmt: skip
            self._free_at = first_at + delay_s
            self._agenda.put(event, self._free_at, now, of_voice=True, assumed=assumed)
        if request.is_final:
            done = TtsDone(turn=request.turn, request_id=request.request_id)
            self._agenda.put(done, max(now, self._free_at), now, of_voice=True)

    def _unsent(self, text: str, spoken: Spoken) -> Iterator[tuple[float, float, str]]:
        """Yield the audio of a sentence that the recording does not have, as a voice sends it: in real time."""
        missing_s = (spoken.whole_s or len(text) * self._known.pace) - spoken.audio_s
        assumed = f"{missing_s:.1f} s of {text[:40]!r} were not spoken then: their length is estimated"
        delay_s = spoken.chunks[-1][0] + CHUNK_S if spoken.chunks else 0.0
        while missing_s > 0.001:
            yield delay_s, min(CHUNK_S, missing_s), "" if spoken.whole_s else assumed
            delay_s, missing_s = delay_s + CHUNK_S, missing_s - CHUNK_S

    def cancel(self, turn: int, at: float, *, only_filler: bool = False) -> None:
        """Synthesise and send nothing more of a turn, or of its filler."""
        if only_filler:
            self._end_filler(turn)
            return
        self.pause(at, paused=False)
        self._agenda.cancel(turn, of_voice=True)
        self._guessed.clear()
        self._free_at = 0.0

    # --- the client

    def pause(self, at: float, *, paused: bool | None = None, away: bool | None = None) -> None:
        """Stand still while we are paused or no client is there, and go on afterwards."""
        self._paused = self._paused if paused is None else paused
        self._away = self._away if away is None else away
        if self._paused or self._away:
            self._agenda.hold(at)
        elif held_s := self._agenda.held_s(at):
            self._agenda.release(at)
            self._free_at += held_s
            if self._playing is not None:
                self._playing.lost_s += held_s

    def receive(self, chunk: TtsChunkReady, at: float) -> None:
        """Play a chunk after those before it."""
        playing = self._playing
        if playing is None or (playing.turn, playing.kind) != (chunk.turn, _kind(chunk.request_id)):
            playing = self._playing = _Playing(chunk.turn, _kind(chunk.request_id), at)
            if self._known.reports:
                started = PlaybackStarted(turn=chunk.turn, played_s=0.0, kind=playing.kind)
                self._agenda.put(started, at + self._known.started_after_s, at, of_voice=True)
        else:
            playing.lost_s += max(0.0, self._position_s(playing, at) - playing.received_s)
        playing.received_s += chunk.audio_ms / 1000

    def all_sent(self, turn: int, at: float) -> None:
        """Know that nothing more of a turn will come: when its last sample is played, that is reported."""
        playing = self._playing
        if playing is None or playing.turn != turn or not self._known.reports:
            return
        left_s = max(0.0, playing.received_s - self._position_s(playing, at))
        done = PlaybackDone(turn=turn, played_s=playing.received_s, kind=playing.kind)
        self._agenda.put(done, at + left_s + self._known.started_after_s, at, of_voice=True)

    def stop(self, turn: int, at: float) -> None:
        """Throw away what is left of a turn, and report what was played of it."""
        playing = self._playing
        self.cancel(turn, at)
        if playing is None or playing.turn != turn:
            return
        self._playing = None
        if self._known.reports:
            played_s = min(playing.received_s, self._position_s(playing, at))
            done = PlaybackDone(turn=turn, played_s=played_s, kind=playing.kind)
            self._agenda.put(done, at + REPORT_S, at, of_voice=False)

    def forget(self, turn: int) -> None:
        """A turn was played, or the client has reported its end."""
        if self._playing is not None and self._playing.turn == turn:
            self._playing = None

    def _position_s(self, playing: _Playing, at: float) -> float:
        """Return the seconds that a player without gaps would have played."""
        return max(0.0, at - playing.began_at - playing.lost_s - self._agenda.held_s(at))


def _kind(request_id: str) -> Kind:
    """Return the kind of speech in a request's id, where the chart puts it: `2.answer.1`."""
    named = request_id.split(".")[1:2]
    return next((kind for kind in get_args(Kind) if [kind] == named), "answer")
