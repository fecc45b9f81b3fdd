"""One call: speak a recording in real time, listen to the answer, hang up, tell what it was like."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count

from app.caller.link import (
    CONNECT_TIMEOUT_S,
    FRAME_BYTES,
    FRAME_S,
    CallRefused,
    Link,
    LinkLost,
    Transport,
    create_session,
    open_http,
)
from app.caller.messages import Hangup
from app.caller.minutes import Minutes
from app.caller.report import CallReport
from app.caller.wav import Speech
from app.caller.webrtc_caller import open_webrtc
from app.caller.websocket_caller import open_websocket

__all__ = ["ANSWER_TIMEOUT_S", "Call", "hang_up", "open_link"]

ANSWER_TIMEOUT_S = 20.0
"""Longest silence after the speech, or within the answer, before the caller gives up, in seconds."""
HANGUP_TIMEOUT_S = 1.0
"""Longest wait for the server to close after `hangup`, in seconds."""


@asynccontextmanager
async def open_link(url: str, transport: Transport) -> AsyncIterator[tuple[str, Link]]:
    """Create a session and connect to it; yields its id and the open link.

    Raises:
        ServerUnreachable: Nobody answers at `url`.
        CallRefused: The server will not take the call.
    """
    async with open_http(url) as http:
        session = await create_session(http)
        if transport == "ws":
            async with open_websocket(url, session) as socket:
                yield session.session_id, socket
        else:
            async with open_webrtc(http, session) as peer:
                yield session.session_id, peer


async def hang_up(link: Link, listener: asyncio.Task[None]) -> None:
    """Say goodbye, wait a moment for the server to close, and end `listener`, the task that reads its messages."""
    try:
        with suppress(LinkLost):  # gone already, which is all that was wanted
            await link.send(Hangup())
            await asyncio.wait({listener}, timeout=HANGUP_TIMEOUT_S)
    finally:
        listener.cancel()
        await asyncio.wait({listener})


class Call:
    """Speaks one recording over an open link.

    A microphone never stops: silence follows the speech until the call is over.
    """

    def __init__(self, session_id: str, link: Link, speech: Speech, *, timeout_s: float, listen_s: float) -> None:
        """Prepare a call.

        Args:
            session_id: For the report.
            link: Open, nothing read from it yet.
            speech: What to say.
            timeout_s: Give up after this long without an answer.
            listen_s: Hang up after this much of the answer was heard; infinite to hear all of it.
        """
        self._link = link
        self._speech = speech
        self._timeout_s = timeout_s
        self._listen_s = listen_s
        self._opened = asyncio.Event()
        self._closed = False
        self.minutes = Minutes(session_id, link.transport, link.player, speech)

    async def run(self, tell: Callable[[float, str], None]) -> CallReport:
        """Make the call; `tell` gets the time in seconds and a line for people whenever something happens.

        Raises:
            CallRefused: The connection never came up.
        """
        listener = asyncio.create_task(self._listen(tell))
        try:
            await self._wait_for_session()
            problem = await self._talk()
        finally:  # an interrupted caller says goodbye too: the session would wait a minute for them to return
            await hang_up(self._link, listener)
        if not listener.cancelled():
            listener.result()  # a message that could not be read is the call's failure
        return self.minutes.report(problem)

    async def _wait_for_session(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._opened.wait()
            why = self.minutes.last_problem or "it was closed at once"
        except TimeoutError:
            why = f"no `session` message within {CONNECT_TIMEOUT_S:.0f} s"
        if not self.minutes.is_open:
            transport = self._link.transport
            advice = "WebRTC needs UDP both ways; try --transport ws." if transport == "webrtc" else "See its log."
            raise CallRefused(f"the server did not open the {transport} connection: {why}. {advice}")

    async def _listen(self, tell: Callable[[float, str], None]) -> None:
        loop = asyncio.get_running_loop()
        try:
            async for message in self._link.messages():
                now = loop.time()
                line = self.minutes.note(message, now)
                if line:
                    tell(self.minutes.time(now), line)
                if self.minutes.is_open:
                    self._opened.set()
                for report in self._link.player.take(message, now):
                    await self._link.send(report)
        except LinkLost:
            return  # `_talk` meets the same end and says so
        finally:
            self._closed = True
            self._opened.set()

    async def _talk(self) -> str:
        """Speak, then be silent, until the call is over; return why it was not answered, or nothing."""
        loop = asyncio.get_running_loop()
        start = self.minutes.started_at = loop.time()
        self.minutes.opened_at = time.time()
        for index in count():
            # A frame leaves when its last sample has been spoken, as from a sound card.
            await asyncio.sleep(max(0.0, start + (index + 1) * FRAME_S - loop.time()))
            now = loop.time()
            try:
                await self._link.speak(self._frame(index))
                for report in self._link.player.advance(now):
                    await self._link.send(report)
            except LinkLost as error:
                return "" if self.minutes.is_answered() else str(error)
            if self._closed:
                return "" if self.minutes.is_answered() else "the server ended the call. Its log says why."
            if self.minutes.is_over(now, self._listen_s):
                break
            if now - self.minutes.waiting_since(now) > self._timeout_s:
                return self.minutes.missing(self._timeout_s)
        return self.minutes.apology()

    def _frame(self, index: int) -> bytes:
        return self._speech.pcm[index * FRAME_BYTES : (index + 1) * FRAME_BYTES].ljust(FRAME_BYTES, b"\0")
