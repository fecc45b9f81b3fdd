"""One conversation at the rim: what a client is told, and in which order."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from adapters.media.port import PeerLeg
from adapters.media.websocket import WebSocketLeg
from app.gateway.call import Call
from app.gateway.services import CallServices, Message, Send
from app.gateway.voice_activity import ChunkedActivity
from statecharts.effects import CancelSpeech, Effect, EndSession, Speak, StateChanged, Withdrawn
from statecharts.events import Connected, Event, PlaybackProgress
from statecharts.policy import Policy
from tests.fakes import LoudnessDetector, ScriptedRecogniser, ToneVoice


class MemorySocket:
    """A WebSocket that keeps what it is sent."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def send(self, message: Message) -> None:
        self.messages.append(message)

    def end(self, code: int, reason: str) -> None:
        self.messages.append({"type": "closed", "payload": {"code": code}})

    def kinds(self) -> list[str]:
        """Return what came, `playout` by its action."""
        names = {"playout": "action", "orchestrator_state": "trigger"}
        return [
            str(msgspec.to_builtins(message["payload"])[names[str(kind)]]) if kind in names else str(kind)
            for message in self.messages
            if (kind := message["type"])
        ]


def no_peer(
    *,
    on_message: Callable[[str], None],
    on_closed: Callable[[str], None],
    on_ready: Callable[[], None],
    send_control: Send,
) -> PeerLeg:
    raise AssertionError("these calls have no peer connection")


class Rim:
    """A call, what it published, and its client."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        services = CallServices(
            lambda: ChunkedActivity(LoudnessDetector, Policy().settle_s),
            ScriptedRecogniser(["hello"]), (ToneVoice(),), Policy(), WebSocketLeg, no_peer,
        )  # fmt: skip
        self.call = Call(
            str(uuid.uuid4()), services, lambda event, since_s: self.events.append(event), self._journal, is_new=True
        )
        self.socket = MemorySocket()
        self._facts = 0

    async def connect(self) -> None:
        attaching = asyncio.create_task(self.call.transports.attach_socket(self.socket))
        await asyncio.sleep(0)
        connected = [event for event in self.events if isinstance(event, Connected)][-1]
        welcome = {
            "effect": "Welcome", "event_id": connected.event_id, "state": "LISTENING", "substate": "quiet", "turn": 0,
        }  # fmt: skip
        await self.call.obey([welcome], "1-0")
        await attaching

    async def obey(self, *effects: Effect) -> None:
        self._facts += 1
        await self.call.obey([msgspec.to_builtins(effect) for effect in effects], f"2-{self._facts}")

    async def _journal(self, since: str) -> list[bytes]:
        return []

    async def until(self, kind: str) -> None:
        async with asyncio.timeout(5.0):
            while kind not in self.socket.kinds():
                await asyncio.sleep(0.005)


@asynccontextmanager
async def rim() -> AsyncIterator[Rim]:
    made = Rim()
    running = asyncio.create_task(made.call.run())
    await made.connect()
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_audio_that_left_before_the_turn_was_taken_back_is_stopped_before_that_is_told() -> None:
    async with rim() as made:
        await made.obey(Speak(1, "one two three four five six seven eight", True, "answer", "1.answer.1"))
        await made.until("tts_chunk")
        # The chart did not know of the first chunk when it took the turn back: it asks for no stop.
        await made.obey(
            CancelSpeech(1, "withdrawn"), Withdrawn(1),
            StateChanged("THINKING", "THINKING", "working", "stt_final", 2, 1.0),
        )  # fmt: skip
        await made.until("stt_final")
        assert made.socket.kinds()[-3:] == ["stop", "withdrawn", "stt_final"]
        before = len(made.socket.messages)
        await asyncio.sleep(0.3)
        assert len(made.socket.messages) == before


async def test_a_turn_taken_back_before_its_audio_is_not_stopped() -> None:
    async with rim() as made:
        await made.obey(CancelSpeech(1, "withdrawn"), Withdrawn(1))
        await made.until("withdrawn")
        assert "stop" not in made.socket.kinds()


async def test_the_last_change_of_state_is_told_before_the_client_is_let_go() -> None:
    async with rim() as made:
        await made.obey(EndSession("hangup"), StateChanged("LISTENING", "IDLE", "ended", "session_ended", 0, 1.0))
        assert made.socket.messages[-1] == {"type": "closed", "payload": {"code": 1000}}
        assert made.socket.kinds()[-2] == "session_ended"


async def test_a_client_that_comes_back_and_counts_anew_is_understood() -> None:
    async with rim() as made:
        report = b'{"type":"webrtc_event","event_type":"voice.webrtc.playback_progress","payload":%s}'
        await made.call.hear_message(report % b'{"turn":1,"played_s":2.0}')
        await made.call.transports.detach_socket(made.socket, "gone")
        await made.connect()
        await made.call.hear_message(report % b'{"turn":1,"played_s":0.5}')
        told = [event.played_s for event in made.events if isinstance(event, PlaybackProgress)]
        assert told == [2.0, 2.5]
