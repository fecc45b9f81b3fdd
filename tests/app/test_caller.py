"""The caller on real connections, against a server that follows a script."""

from __future__ import annotations

import asyncio
import json
import math
import socket
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest
import websockets
from click.testing import CliRunner
from msgspec import Struct
from websockets.asyncio.server import ServerConnection, serve

from adapters.media.port import MediaLeg, SpokenChunk
from adapters.media.webrtc import WebRtcPeer
from adapters.media.websocket import WebSocketLeg
from app.caller.call import Call
from app.caller.chat import Chat
from app.caller.link import CallRefused, Link, ServerUnreachable, Session
from app.caller.report import CallReport
from app.caller.wav import Speech, speech_end_s
from app.caller.webrtc_caller import open_webrtc
from app.caller.websocket_caller import open_websocket
from app.cli.call import command as call_command
from app.cli.chat import command as chat_command
from tests.app.caller_material import pcm16

SESSION = Session("6f1c1f0e-0000-4000-8000-000000000000")
ANSWER_S = 0.72
SPEECH = Speech(pcm16(0.4, 16_000), speech_end_s(pcm16(0.4, 16_000), 16_000))
Send = Callable[[dict[str, object]], Awaitable[None]]


class FromClient(Struct):
    type: str
    event_type: str = ""
    text: str = ""
    payload: dict[str, float | str] = {}


class Script:
    """Answers 0.4 s of microphone, or a typed line, with a sentence and `ANSWER_S` of a tone."""

    def __init__(self, *, breaks_off: bool = False) -> None:
        self.messages: list[FromClient] = []
        self.microphone = bytearray()
        self.over = asyncio.Event()
        self._breaks_off = breaks_off
        self._turn = 0

    async def run(self, send: Send, leg: MediaLeg) -> None:
        """Greet the client and listen until the leg is closed."""
        self._send, self._leg = send, leg
        await self._say("session", session_id=SESSION.session_id, state="LISTENING", substate="quiet", turn=0)
        async for piece in leg.microphone():
            self.microphone += piece
            if len(self.microphone) >= 2 * 16_000 * 0.4 and self._turn == 0:
                await self._answer("how old is it", "voice")

    async def take(self, text: str | bytes) -> None:
        message = msgspec.json.decode(text, type=FromClient)
        self.messages.append(message)
        if message.type == "hangup":
            self.over.set()
        elif message.type == "stt_final":
            await self._answer(message.text, "typed")
        elif message.event_type == "voice.webrtc.playback_done":
            await self._say("orchestrator_state", state="LISTENING", substate="quiet", turn=self._turn)

    async def _say(self, type_: str, **payload: object) -> None:
        await self._send({"type": type_, "payload": payload})

    async def _answer(self, text: str, origin: str) -> None:
        self._turn += 1
        turn = self._turn
        await self._send({"type": "stt_final", "text": text, "confidence": 0.9, "turn": turn, "origin": origin})
        await self._say("orchestrator_state", state="THINKING", substate="working", turn=turn)
        await self._say("answer", text=f"Answer {turn}.", is_final=True, turn=turn, kind="answer")
        if self._breaks_off:
            self.over.set()
            return
        await self._say("orchestrator_state", state="SPEAKING", substate="streaming", turn=turn)
        pcm = pcm16(ANSWER_S / 4, 22_050)
        for seq in range(4):
            await self._leg.play(
                SpokenChunk(turn=turn, kind="answer", seq=seq, pcm=pcm, rate_hz=22_050, text="", is_final=seq == 3)
            )

    def reports(self) -> list[tuple[str, float | str | None]]:
        """Event and `played_s` of what the client reported, in order."""
        events = [m for m in self.messages if m.type == "webrtc_event"]
        return [(m.event_type.removeprefix("voice.webrtc."), m.payload.get("played_s")) for m in events]


@asynccontextmanager
async def websocket_link(script: Script) -> AsyncIterator[Link]:
    async def handle(connection: ServerConnection) -> None:
        async def send(message: dict[str, object]) -> None:
            await connection.send(json.dumps(message))

        leg = WebSocketLeg(send)
        async with asyncio.TaskGroup() as group:
            group.create_task(script.run(send, leg))
            closing = group.create_task(close_when_over(connection))
            async for data in connection:
                if isinstance(data, bytes):
                    leg.feed(data)
                else:
                    await script.take(data)
            closing.cancel()
            await leg.close()

    async def close_when_over(connection: ServerConnection) -> None:
        await script.over.wait()
        await connection.close()

    async with serve(handle, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with open_websocket(f"http://127.0.0.1:{port}", SESSION) as link:
            yield link


@asynccontextmanager
async def webrtc_link(script: Script) -> AsyncIterator[Link]:
    inbox: asyncio.Queue[str] = asyncio.Queue(100)
    ready = asyncio.Event()
    peer = WebRtcPeer(
        on_message=inbox.put_nowait,
        on_closed=lambda _reason: None,
        on_ready=ready.set,
        send_control=lambda message: peer.send(message),
        include_loopback=True,
    )

    async def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == f"/sessions/{SESSION.session_id}/offer"
        offer = json.loads(request.content)
        sdp, kind = await peer.answer(offer["sdp"], offer["type"])
        return httpx.Response(200, json={"sdp": sdp, "type": kind})

    async def talk() -> None:
        await ready.wait()
        await script.run(peer.send, peer)

    async def read() -> None:
        while True:
            await script.take(await inbox.get())

    async def close_when_over() -> None:
        await script.over.wait()
        await peer.close()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(job()) for job in (talk, read, close_when_over)]
        async with (
            httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://127.0.0.1") as http,
            open_webrtc(http, SESSION) as link,
        ):
            yield link
        await peer.close()
        for task in tasks:
            task.cancel()


LINKS = {"ws": websocket_link, "webrtc": webrtc_link}


async def make_call(link: Link, *, listen_s: float = math.inf) -> CallReport:
    call = Call(SESSION.session_id, link, SPEECH, timeout_s=3.0, listen_s=listen_s)
    return await call.run(lambda _at, _line: None)


@pytest.mark.parametrize("transport", LINKS)
async def test_a_caller_is_heard_hears_the_answer_and_reports_it(transport: str) -> None:
    script = Script()
    async with LINKS[transport](script) as link:
        report = await make_call(link)
        start = link.player.hearings[0].started_at or 0.0
        sound, rate_hz = link.player.heard.render(start, start + 1.5)

    assert (report.transcript, report.answer, report.kind) == ("how old is it", "Answer 1.", "answer")
    assert (report.answered, report.problem, report.transport) == (True, "", transport)
    assert [name for _, name in report.states] == ["LISTENING", "THINKING", "SPEAKING", "LISTENING"]
    # A track's last packet is filled up with silence, which the marks include.
    assert report.heard_s == pytest.approx(ANSWER_S, abs=1e-3 if transport == "ws" else 0.027)
    assert 0.0 <= report.latencies["end_of_turn"] <= report.latencies["first_audio"] < 1.0
    assert [event for event, _ in script.reports()] == ["playback_started", "playback_progress", "playback_done"]
    assert script.messages[-1].type == "hangup"
    said = np.frombuffer(bytes(script.microphone), "<i2").astype(float)
    assert np.abs(said[2_000:6_000]).max() == pytest.approx(16_384, rel=0.1)
    level = np.abs(np.frombuffer(sound, "<i2").astype(float))
    assert level[int(0.1 * rate_hz) : int(0.6 * rate_hz)].max() > 10_000
    assert level[int(0.8 * rate_hz) :].max() < 100


async def test_playback_on_the_websocket_is_reported_to_the_sample() -> None:
    script = Script()
    async with websocket_link(script) as link:
        await make_call(link)
    event, played_s = script.reports()[-1]
    assert event == "playback_done"
    assert played_s == pytest.approx(4 * round(ANSWER_S / 4 * 22_050) / 22_050, abs=1e-9)


@pytest.mark.parametrize("transport", LINKS)
async def test_a_caller_who_has_heard_enough_hangs_up(transport: str) -> None:
    script = Script()
    async with LINKS[transport](script) as link:
        report = await make_call(link, listen_s=0.1)
    assert report.answered
    assert script.messages[-1].type == "hangup"
    assert "playback_done" not in [event for event, _ in script.reports()]


@pytest.mark.parametrize("transport", LINKS)
async def test_a_server_that_leaves_in_the_middle_is_no_answer(transport: str) -> None:
    async with LINKS[transport](Script(breaks_off=True)) as link:
        report = await make_call(link)
    assert not report.answered
    assert "the server" in report.problem
    assert report.transcript == "how old is it"


async def test_an_offer_that_is_refused_ends_the_call_with_the_servers_reason() -> None:
    refusal = httpx.MockTransport(lambda _request: httpx.Response(404, json={"detail": "no such session"}))
    async with httpx.AsyncClient(transport=refusal, base_url="http://127.0.0.1") as http:
        with pytest.raises(CallRefused, match=r"404.*no such session"):
            async with open_webrtc(http, SESSION):
                pytest.fail("a refused offer gave a link")


async def test_a_refused_handshake_is_told_with_its_status() -> None:
    async def refuse(connection: ServerConnection, _request: websockets.Request) -> websockets.Response:
        return connection.respond(400, "bad session id\n")

    async def handle(_connection: ServerConnection) -> None:
        pytest.fail("the handshake was refused")

    async with serve(handle, "127.0.0.1", 0, process_request=refuse) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(CallRefused, match="400: bad session id"):
            async with open_websocket(f"http://127.0.0.1:{port}", SESSION):
                pytest.fail("a refused handshake gave a link")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_a_server_that_is_not_there_is_told_with_advice() -> None:
    with pytest.raises(ServerUnreachable, match=r"\./run serve"):
        async with open_websocket(f"http://127.0.0.1:{free_port()}", SESSION):
            pytest.fail("nobody gave a link")


# By keyboard


class Screen:
    """Keeps what a conversation shows."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def state(self, name: str) -> None:
        self.lines.append(name)

    def answer(self, text: str, *, is_final: bool) -> None:
        self.lines.append(text + ("." if is_final else ""))

    def problem(self, text: str) -> None:
        self.lines.append(text)


async def test_lines_from_a_pipe_wait_for_their_turn_and_the_last_answer_ends_the_chat() -> None:
    async def lines() -> AsyncIterator[str]:
        yield "one"
        yield "two"

    script, screen = Script(), Screen()
    async with websocket_link(script) as link:
        await Chat(link, screen, timeout_s=3.0).run(lines(), take_turns=True)
    turn = ["THINKING", "Answer {}..", "SPEAKING", "LISTENING"]
    assert screen.lines == ["LISTENING", *(s.format(1) for s in turn), *(s.format(2) for s in turn)]
    events = [m.text or m.event_type.removeprefix("voice.webrtc.") or m.type for m in script.messages]
    one_turn = ["playback_started", "playback_done"]
    assert events == ["one", *one_turn, "two", *one_turn, "hangup"]


# On the command line


def test_a_file_that_cannot_be_spoken_is_bad_use(tmp_path: Path) -> None:
    result = CliRunner().invoke(call_command, [str(tmp_path / "missing.wav")])
    assert result.exit_code == 2
    assert "cannot read" in result.output


def test_calling_nobody_fails_with_advice_and_leaves_stdout_alone(tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(SPEECH.pcm)
    result = CliRunner().invoke(call_command, [str(path), "--json", "--url", f"http://127.0.0.1:{free_port()}"])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "./run serve" in result.stderr


def test_chatting_with_nobody_fails_with_advice() -> None:
    result = CliRunner().invoke(chat_command, ["--url", f"http://127.0.0.1:{free_port()}"], input="hello\n")
    assert result.exit_code == 1
    assert "./run serve" in result.output
