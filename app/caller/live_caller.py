"""A caller who listens and speaks at the same time: says things when told to, and keeps all that came, and when."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple, TypeVar

from app.caller.call import hang_up
from app.caller.heard import mixed
from app.caller.link import CONNECT_TIMEOUT_S, FRAME_BYTES, FRAME_S, Link, LinkLost
from app.caller.messages import PlayoutMessage, ServerMessage, SessionOpened, State
from app.caller.wav import MIC_RATE_HZ
from statecharts.effects import PlayoutAction
from statecharts.events import VoicechartError

__all__ = ["LiveCaller", "NothingCame", "Received", "live_caller"]

WITHIN_S = 20.0
"""Longest wait for a message, in seconds, unless told otherwise."""

_M = TypeVar("_M", bound=ServerMessage)


class NothingCame(VoicechartError):
    """What was waited for did not come in time, or the call ended before it."""


class Received(NamedTuple):
    """A message and its arrival on the caller's clock, in seconds."""

    at: float
    message: ServerMessage
    loud_at: float
    """When audio that is no silence had arrived last before it."""


class LiveCaller:
    """Keeps the microphone open over a link: silence, unless something is said.

    Args:
        session_id: For questions to the server about this call.
        link: Open, nothing read from it yet.
        echo: Returns what the microphone picks up of the loudspeaker between two clock times (s16le, 16 kHz mono); by
            default nothing, as with headphones.
    """

    def __init__(self, session_id: str, link: Link, echo: Callable[[float, float], bytes] | None = None) -> None:
        self.session_id = session_id
        self.link = link
        self.received: list[Received] = []
        self._echo = echo
        self._to_say: deque[tuple[bytes, asyncio.Future[float]]] = deque()
        self._news = asyncio.Event()
        self._over = False

    async def say(self, pcm: bytes, *, after_s: float = 0.0) -> float:
        """Say something (s16le, 16 kHz mono); return, as it begins, when its first sample is spoken.

        Args:
            pcm: What to say.
            after_s: Silence before it; it shifts what is said against the frames, by any sample.
        """
        begun: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        silence = bytes(round(after_s * MIC_RATE_HZ) * 2)
        self._to_say.append((silence + pcm, begun))
        return await begun + after_s

    async def until(
        self, holds: Callable[[Received], bool], *, since: float = 0.0, within_s: float = WITHIN_S
    ) -> float:
        """Return when the first message came, from clock time `since` on, of which this holds.

        Raises:
            NothingCame: None did.
        """
        return (await self._first(holds, since, within_s)).at

    async def order(self, action: PlayoutAction, *, since: float = 0.0, within_s: float = WITHIN_S) -> float:
        """Return when the server's order to duck, pause, stop or resume came."""

        def is_it(one: Received) -> bool:
            return isinstance(one.message, PlayoutMessage) and one.message.payload.action == action

        return await self.until(is_it, since=since, within_s=within_s)

    async def state(self, name: str, *, since: float = 0.0, within_s: float = WITHIN_S) -> float:
        """Return when the conversation came into this state."""

        def is_it(one: Received) -> bool:
            return isinstance(one.message, State) and one.message.payload.state == name

        return await self.until(is_it, since=since, within_s=within_s)

    def of_type(self, kind: type[_M], *, since: float = 0.0) -> list[_M]:
        """Return the messages of a kind that came from clock time `since` on."""
        return [one.message for one in self.received if one.at >= since and isinstance(one.message, kind)]

    async def _first(self, holds: Callable[[Received], bool], since: float, within_s: float) -> Received:
        looked = 0
        try:
            async with asyncio.timeout(within_s):
                while True:
                    for one in self.received[looked:]:
                        if one.at >= since and holds(one):
                            return one
                    looked = len(self.received)
                    if self._over:
                        raise NothingCame("the server ended the call while something was waited for. Its log says why.")
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            last = self.received[-1].message if self.received else None
            raise NothingCame(f"what was waited for did not come in {within_s:g} s; the last was {last}") from None

    async def listen(self) -> None:
        """Take messages, obey them and report playing, until the connection ends."""
        loop = asyncio.get_running_loop()
        try:
            async for message in self.link.messages():
                now = loop.time()
                self.received.append(Received(now, message, self.link.player.loud_at))
                self._news.set()
                for report in self.link.player.take(message, now):
                    await self.link.send(report)
        except LinkLost:
            return
        finally:
            self._over = True
            self._news.set()

    async def talk(self) -> None:
        """Send the microphone in real time until the connection ends."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        index = 0
        try:
            while not self._over:
                # A frame leaves when its last sample has been spoken, as from a sound card.
                ends_at = start + (index + 1) * FRAME_S
                await asyncio.sleep(max(0.0, ends_at - loop.time()))
                await self.link.speak(self._frame(ends_at))
                for report in self.link.player.advance(loop.time()):
                    await self.link.send(report)
                index += 1
        except LinkLost:
            return

    def _frame(self, ends_at: float) -> bytes:
        said = b""
        if self._to_say:
            pcm, begun = self._to_say[0]
            if not begun.done():
                begun.set_result(ends_at - FRAME_S)
            said, rest = pcm[:FRAME_BYTES], pcm[FRAME_BYTES:]
            self._to_say[0] = rest, begun
            if not rest:
                self._to_say.popleft()
        frame = said.ljust(FRAME_BYTES, b"\0")
        return frame if self._echo is None else mixed(frame, self._echo(ends_at - FRAME_S, ends_at))


@asynccontextmanager
async def live_caller(
    session_id: str, link: Link, echo: Callable[[float, float], bytes] | None = None
) -> AsyncIterator[LiveCaller]:
    """Be a caller on an open link; hangs up afterwards.

    Raises:
        NothingCame: The server did not open the session.
    """
    caller = LiveCaller(session_id, link, echo)
    listener = asyncio.create_task(caller.listen())
    talker = asyncio.create_task(caller.talk())
    try:
        await caller.until(lambda one: isinstance(one.message, SessionOpened), within_s=CONNECT_TIMEOUT_S)
        yield caller
    finally:
        talker.cancel()
        await asyncio.wait({talker})
        await hang_up(link, listener)
