"""A call by keyboard: lines up, text down; the audio is acknowledged, not played."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from app.caller.call import hang_up
from app.caller.link import Link, LinkLost
from app.caller.messages import (
    Answer,
    FinalTranscript,
    Playback,
    PlayoutMessage,
    Problem,
    ServerMessage,
    SessionOpened,
    State,
    TtsChunk,
    TtsChunkPayload,
    TypedText,
)
from statecharts.events import Kind, VoicechartError

__all__ = ["Chat", "NoReply", "Show"]

_ENDED = "the server ended the conversation. Its log says why."


class NoReply(VoicechartError):
    """The server took a line and kept silent."""


class Show(Protocol):
    """Where a conversation is shown."""

    def state(self, name: str) -> None:
        """The conversation is in this state now."""

    def answer(self, text: str, *, is_final: bool) -> None:
        """The next sentence; the last one of an answer is final, and may be empty."""

    def problem(self, text: str) -> None:
        """The server refused something."""


class Chat:
    """One conversation over an open link.

    A reader is faster than a voice: a turn's audio counts as played when its last piece has come, so that the next line
    is taken at once.
    """

    def __init__(self, link: Link, show: Show, *, timeout_s: float) -> None:
        """Prepare a conversation; `timeout_s` is the longest silence of the server's while a line waits for it."""
        self._link = link
        self._show = show
        self._timeout_s = timeout_s
        self._received_s: dict[tuple[int, Kind], float] = {}
        self._news = asyncio.Event()
        self._state = ""
        self._turn = 0
        self._lines = 0
        self._taken = 0
        self._turn_of_line = 0
        self._closed = False

    async def run(self, lines: AsyncIterator[str], *, take_turns: bool) -> None:
        """Send every line, show every answer, hang up after the last one.

        Args:
            lines: What is typed; ends when the caller is done.
            take_turns: Send a line only after the answer to the last one (lines from a pipe come all at once). A
                person's lines go out as they come.

        Raises:
            NoReply: The server kept silent for too long.
            LinkLost: It went away.
        """
        listener = asyncio.create_task(self._listen())
        talker = asyncio.create_task(self._talk(lines, take_turns=take_turns))
        try:
            # A server that leaves ends the conversation even while nobody types.
            await asyncio.wait({listener, talker}, return_when=asyncio.FIRST_COMPLETED)
            ended_by_server = not talker.done()
        finally:
            talker.cancel()
            await asyncio.wait({talker})
            await hang_up(self._link, listener)
        if not listener.cancelled():
            listener.result()
        if not talker.cancelled():
            talker.result()
        if ended_by_server and self._state != "IDLE":
            raise LinkLost(_ENDED)

    async def _talk(self, lines: AsyncIterator[str], *, take_turns: bool) -> None:
        await self._until(lambda: bool(self._state))
        async for line in lines:
            self._lines += 1
            await self._link.send(TypedText(line))
            if take_turns:
                await self._until(self._is_answered)

    def _is_answered(self) -> bool:
        """Whether every line was taken, and the floor is the caller's again after the last one."""
        settled = self._state in ("LISTENING", "IDLE") and self._turn >= self._turn_of_line
        return self._taken >= self._lines and settled

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            if self._closed:
                raise LinkLost(_ENDED)
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), self._timeout_s)
            except TimeoutError:
                raise NoReply(f"nothing came from the server for {self._timeout_s:g} s. Its log says why.") from None

    async def _listen(self) -> None:
        try:
            async for message in self._link.messages():
                self._take(message)
                for report in self._played(message):
                    await self._link.send(report)
                self._news.set()
        except LinkLost:
            return  # `_until` meets the same end and says so
        finally:
            self._closed = True
            self._news.set()

    def _take(self, message: ServerMessage) -> None:
        match message:
            case SessionOpened(payload=now):
                self._state, self._turn = now.state, now.turn
                self._show.state(now.state)
            case State(payload=now):
                if now.state != self._state:
                    self._show.state(now.state)
                self._state, self._turn = now.state, now.turn
            case FinalTranscript(turn=turn, origin="typed"):
                self._taken += 1
                self._turn_of_line = turn
            case Answer(payload=sentence):
                self._show.answer(sentence.text, is_final=sentence.is_final)
            case Problem(code=code, message=text):
                self._taken += 1  # a refused line has no answer to wait for
                self._show.problem(f"{text} ({code})")
            case _:
                return

    def _played(self, message: ServerMessage) -> list[Playback]:
        """Return what to report of the audio: it is read, not heard, as soon as it is there."""
        match message:
            case TtsChunk(payload=chunk):
                return self._read(chunk)
            case PlayoutMessage(payload=order) if order.action == "stop":
                cut = [key for key in self._received_s if key[0] <= order.turn]
                return [Playback("playback_done", turn, kind, self._received_s.pop((turn, kind))) for turn, kind in cut]
            case _:
                return []

    def _read(self, chunk: TtsChunkPayload) -> list[Playback]:
        key = (chunk.turn, chunk.kind)
        reports = [] if key in self._received_s else [Playback("playback_started", *key, 0.0)]
        seconds = self._received_s.get(key, 0.0) + len(chunk.audio_base64) / 2 / chunk.sample_rate
        self._received_s[key] = seconds
        if chunk.is_final:
            del self._received_s[key]
            reports.append(Playback("playback_done", *key, seconds))
        return reports
