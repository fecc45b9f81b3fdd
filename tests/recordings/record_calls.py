"""Makes the calls whose logs lie in this folder, against a real server with the real models.

    python -m tests.recordings.record_calls [NAME…]

Not a test: its outcome depends on the machine. Each log is looked at before it is committed.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import numpy as np

from app.caller.link import FRAME_BYTES, FRAME_S, Link, Session, create_session, open_http
from app.caller.messages import Hangup, Playback, SessionOpened, State, TypedText
from app.caller.websocket_caller import open_websocket
from app.replay.call_log import decode_log, encode_log
from app.replay.freezing import frozen
from tests.server_process import ServerProcess
from tests.speech import load

FOLDER = Path(__file__).parent
WITHIN_S = 15.0


class Caller:
    """Speaks what is put on its tongue, hears on its own clock, and waits for states."""

    def __init__(self, link: Link, played_s: float) -> None:
        self._link = link
        self._played_before_s = played_s
        self.played_s = played_s
        self._tongue = b""
        self._state = ""
        self._changed = asyncio.Condition()

    @staticmethod
    @asynccontextmanager
    async def connected(url: str, session: Session, played_s: float = 0.0) -> AsyncIterator[Caller]:
        """Connect, having heard so much of the answer; at the end the connection is dropped without a goodbye."""
        async with open_websocket(url, session) as link, asyncio.TaskGroup() as group:
            caller = Caller(link, played_s)
            tasks = [group.create_task(caller._speak()), group.create_task(caller._listen())]
            await caller.until("LISTENING", "SPEAKING", "THINKING")
            yield caller
            for task in tasks:
                task.cancel()

    def say(self, pcm: bytes) -> None:
        """Say this after what is being said."""
        self._tongue += pcm

    async def until(self, *states: str) -> None:
        """Wait for one of these states or substates."""
        async with asyncio.timeout(WITHIN_S), self._changed:
            await self._changed.wait_for(lambda: any(self._state.startswith(state) for state in states))

    async def type(self, text: str) -> None:
        await self._link.send(TypedText(text))

    async def hang_up(self) -> None:
        await self._link.send(Hangup())
        await self.until("IDLE.ended")

    async def _speak(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += FRAME_S
            await asyncio.sleep(max(0.0, due - loop.time()))
            frame, self._tongue = self._tongue[:FRAME_BYTES], self._tongue[FRAME_BYTES:]
            await self._link.speak(frame.ljust(FRAME_BYTES, b"\0"))
            await self._report(self._link.player.advance(loop.time()))

    async def _report(self, reports: list[Playback]) -> None:
        for report in reports:
            self.played_s = self._played_before_s + (report.played_s or 0.0)
            await self._link.send(msgspec.structs.replace(report, played_s=self.played_s))

    async def _listen(self) -> None:
        async for message in self._link.messages():
            await self._report(self._link.player.take(message, asyncio.get_running_loop().time()))
            if isinstance(message, (SessionOpened, State)):
                async with self._changed:
                    self._state = f"{message.payload.state}.{message.payload.substate}"
                    self._changed.notify_all()


def a_sound() -> bytes:
    """Return a tenth of a second of a voice: the detector hears it, the recogniser finds no word in it."""
    samples = np.frombuffer(load("sb_spk1_snt3.wav"), "<i2")[11_200:13_120]
    ramp = np.minimum(1.0, np.minimum(np.arange(1920), np.arange(1920)[::-1]) / 400)
    return (samples * ramp).astype("<i2").tobytes()


def pause(seconds: float) -> bytes:
    return bytes(round(seconds / FRAME_S) * FRAME_BYTES)


async def plain_turn(url: str, session: Session) -> None:
    """A question is answered, the answer is heard whole."""
    async with Caller.connected(url, session) as caller:
        caller.say(load("ask_states.wav"))
        await caller.until("SPEAKING")
        await caller.until("LISTENING")
        await caller.hang_up()


async def barge_in(url: str, session: Session) -> None:
    """A question spoken over the answer stops it and is answered in its place."""
    async with Caller.connected(url, session) as caller:
        caller.say(load("ask_states.wav"))
        await caller.until("SPEAKING")
        await asyncio.sleep(1.5)
        caller.say(load("ask_interrupt.wav"))
        await caller.until("LISTENING")
        await caller.until("SPEAKING")
        await caller.until("LISTENING")
        await caller.hang_up()


async def cough(url: str, session: Session) -> None:
    """A short sound without words lowers the answer, which then goes on."""
    async with Caller.connected(url, session) as caller:
        caller.say(load("ask_states.wav"))
        await caller.until("SPEAKING")
        await asyncio.sleep(1.2)
        caller.say(a_sound())
        await caller.until("INTERRUPT")
        await caller.until("SPEAKING")
        await caller.until("LISTENING")
        await caller.hang_up()


async def withdrawn(url: str, session: Session) -> None:
    """A caller who pauses and goes on takes the first turn back: both parts become one."""
    async with Caller.connected(url, session) as caller:
        caller.say(load("ask_what_can_you_do.wav") + pause(0.25) + load("df_book_a_room.wav"))
        await caller.until("THINKING")
        await caller.until("LISTENING")
        await caller.until("SPEAKING")
        await caller.until("LISTENING")
        await caller.hang_up()


async def hang_up_while_thinking(url: str, session: Session) -> None:
    """A caller hangs up before the answer begins."""
    async with Caller.connected(url, session) as caller:
        caller.say(load("ask_states.wav"))
        await caller.until("THINKING")
        await caller.hang_up()


async def reconnect(url: str, session: Session) -> None:
    """A client vanishes in the middle of the answer and comes back: it is played on."""
    async with Caller.connected(url, session) as caller:
        caller.say(load("ask_states.wav"))
        await caller.until("SPEAKING")
        await asyncio.sleep(1.5)
    await asyncio.sleep(1.0)
    async with Caller.connected(url, session, caller.played_s) as caller:
        await caller.until("LISTENING")
        await caller.hang_up()


async def typed_over_the_answer(url: str, session: Session) -> None:
    """A typed line stops the answer at once."""
    async with Caller.connected(url, session) as caller:
        await caller.type("tell me about interrupting")
        await caller.until("SPEAKING")
        await asyncio.sleep(1.0)
        await caller.type("thank you")
        await caller.until("THINKING")
        await caller.until("SPEAKING")
        await caller.until("LISTENING")
        await caller.hang_up()


CALLS: dict[str, Callable[[str, Session], Awaitable[None]]] = {
    call.__name__: call
    for call in (plain_turn, barge_in, cough, withdrawn, hang_up_while_thinking, reconnect, typed_over_the_answer)
}


async def record(url: str, name: str) -> None:
    """Make one call and keep its log."""
    call = CALLS[name]
    async with AsyncExitStack() as stack:
        http: httpx.AsyncClient = await stack.enter_async_context(open_http(url))
        session = await create_session(http)
        await call(url, session)
        log = decode_log((await http.get(f"/sessions/{session.session_id}/log")).content, name)
    title = (call.__doc__ or "").strip()
    (FOLDER / f"{name}.jsonl").write_bytes(encode_log(frozen(log, title)))
    print(f"{name}: {len(log.facts)} facts")


async def main(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder), "--knowledge", "knowledge")
        try:
            for name in names or CALLS:
                await record(server.wait_ready().url, name)
        finally:
            server.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
