"""The caller's player: plays on virtual time, says what it played, and writes down when it could be heard."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from msgspec import Struct

from adapters.media.microphone import MicrophoneQueue
from adapters.media.port import SpokenChunk
from app.caller.messages import Playback
from app.scenario.models import Clock
from statecharts.effects import PlayoutAction
from statecharts.events import Kind

__all__ = ["ScriptedPlayer", "ScriptedSpeaker"]

_EPSILON_S = 1e-6


class _Part(Struct, eq=False):
    """Audio of one turn and kind: what came, and what of it was played."""

    turn: int
    kind: Kind
    chunks: deque[SpokenChunk]
    played_s: float = 0.0
    """Of the chunks that are gone."""
    into_s: float = 0.0
    """Of the chunk that is being played."""
    started: bool = False


class ScriptedPlayer:
    """Plays what it is given, one sample after the other.

    Args:
        clock: Tells the seconds since the call began.
        report: Takes what a real client would send back.
    """

    def __init__(self, clock: Clock, report: Callable[[Playback], Awaitable[None]]) -> None:
        self._clock = clock
        self._report = report
        self._parts: deque[_Part] = deque()
        self._stopped: set[tuple[int, Kind]] = set()
        self._paused_turn: int | None = None
        self._changed = asyncio.Event()
        self._audible: list[tuple[float, float]] = []
        self._playing_since: float | None = None

    @property
    def silent(self) -> bool:
        """Whether there is nothing left to play."""
        return not self._parts

    def audible(self) -> list[tuple[float, float]]:
        """Return when our voice could be heard until now, gaps left out."""
        playing = [] if self._playing_since is None else [(self._playing_since, self._clock())]
        joined: list[tuple[float, float]] = []
        for start, end in (*self._audible, *playing):
            if joined and start <= joined[-1][1] + _EPSILON_S:
                joined[-1] = (joined[-1][0], end)
            elif end > start + _EPSILON_S:
                joined.append((start, end))
        return joined

    def take(self, chunk: SpokenChunk) -> None:
        """Put a chunk behind those that came before."""
        if (chunk.turn, chunk.kind) in self._stopped:
            return
        if not self._parts or (self._parts[-1].turn, self._parts[-1].kind) != (chunk.turn, chunk.kind):
            self._parts.append(_Part(chunk.turn, chunk.kind, deque()))
        self._parts[-1].chunks.append(chunk)
        self._changed.set()

    async def obey(self, action: PlayoutAction, turn: int) -> None:
        """Pause, go on or stop, and say at once what was played of what is stopped; ducked it plays on."""
        match action:
            case "pause":
                self._paused_turn = turn
            case "resume":
                self._paused_turn = None
            case "stop":
                await self._stop(turn)
        self._changed.set()

    async def run(self) -> None:
        """Play until cancelled."""
        while True:
            part = self._parts[0] if self._parts else None
            if part is None or not part.chunks or part.turn == self._paused_turn:
                self._changed.clear()
                await self._changed.wait()
            else:
                await self._play_next(part)

    async def _play_next(self, part: _Part) -> None:
        """Play the next chunk of a part, or as much of it as there is time for before something changes."""
        chunk = part.chunks[0]
        audio_s = len(chunk.pcm) / 2 / chunk.rate_hz
        self._playing_since = self._clock()
        if not part.started:
            part.started = True
            await self._report(Playback("playback_started", part.turn, part.kind, 0.0))
        self._changed.clear()
        try:
            async with asyncio.timeout(max(0.0, audio_s - part.into_s)):
                while part.turn != self._paused_turn and part in self._parts:
                    await self._changed.wait()
                    self._changed.clear()
        except TimeoutError:
            await self._finish_chunk(part, chunk, audio_s)
        else:
            self._halt(part)

    def _halt(self, part: _Part) -> None:
        if self._playing_since is not None:
            part.into_s += self._clock() - self._playing_since
            self._audible.append((self._playing_since, self._clock()))
            self._playing_since = None

    async def _finish_chunk(self, part: _Part, chunk: SpokenChunk, audio_s: float) -> None:
        if part not in self._parts:  # stopped at this very moment
            return
        self._halt(part)
        part.chunks.popleft()
        part.played_s += audio_s
        part.into_s = 0.0
        event = "playback_done" if chunk.is_final else "playback_progress"
        if chunk.is_final:
            self._parts.popleft()
        await self._report(Playback(event, part.turn, part.kind, part.played_s))  # type: ignore[arg-type]

    async def _stop(self, turn: int) -> None:
        cut = [part for part in self._parts if part.turn <= turn]
        if cut:
            self._halt(cut[0])
        self._parts = deque(part for part in self._parts if part.turn > turn)
        self._stopped |= {(part.turn, part.kind) for part in cut}
        for part in cut:
            await self._report(Playback("playback_done", part.turn, part.kind, part.played_s + part.into_s))


class ScriptedSpeaker:
    """A `FedLeg` whose far end is a player in the same process."""

    def __init__(self, player: ScriptedPlayer) -> None:
        self._player = player
        self._microphone = MicrophoneQueue()

    @property
    def transport(self) -> str:
        return "scripted"

    def feed(self, pcm: bytes) -> None:
        self._microphone.put(pcm)

    def microphone(self) -> AsyncIterator[bytes]:
        return self._microphone.pieces()

    async def play(self, chunk: SpokenChunk) -> None:
        self._player.take(chunk)

    async def playout(self, action: PlayoutAction, turn: int) -> None:
        await self._player.obey(action, turn)

    def buffered_s(self) -> float:
        return 0.0

    async def close(self) -> None:
        self._microphone.close()
