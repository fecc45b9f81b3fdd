"""A client of the WebSocket, as plain as a client can be."""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

__all__ = ["Client", "Message", "call_server", "socket_url"]

Message = dict[str, object]
WITHIN_S = 20.0


def socket_url(server: str, session_id: str) -> str:
    return f"{server.replace('http', 'ws', 1)}/ws/orchestrate?session_id={session_id}"


class Client:
    """Keeps every message; waits for the one that matters."""

    def __init__(self, socket: ClientConnection, session_id: str) -> None:
        self.socket = socket
        self.session_id = session_id
        self.messages: list[Message] = []

    async def say(self, **message: object) -> None:
        await self.socket.send(json.dumps(message))

    async def type(self, text: str) -> None:
        await self.say(type="stt_final", text=text, confidence=1.0)

    async def report(self, event: str, **payload: object) -> None:
        await self.say(type="webrtc_event", event_type=f"voice.webrtc.{event}", payload=payload)

    async def speak(self, pcm: bytes) -> None:
        """Send microphone audio in real time (s16le, 16 kHz mono)."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number, start in enumerate(range(0, len(pcm), 1280)):
            await asyncio.sleep(max(0.0, began + number * 0.04 - loop.time()))
            await self.socket.send(pcm[start : start + 1280])

    async def next(self, wanted: Callable[[Message], bool], within_s: float = WITHIN_S) -> Message:
        """Return the next message that is wanted; those before it are kept in `messages`."""
        async with asyncio.timeout(within_s):
            while True:
                message: Message = json.loads(await self.socket.recv())
                self.messages.append(message)
                if wanted(message):
                    return message

    async def next_type(self, kind: str, within_s: float = WITHIN_S) -> Message:
        return await self.next(lambda message: message["type"] == kind, within_s)

    async def state(self, name: str, within_s: float = WITHIN_S) -> Message:
        """Wait until the conversation is in this state."""
        return await self.next(
            lambda message: message["type"] == "orchestrator_state" and payload(message)["state"] == name, within_s
        )

    def of_type(self, kind: str) -> list[Message]:
        return [message for message in self.messages if message["type"] == kind]

    def audio_s(self, turn: int) -> float:
        """Seconds of audio received for a turn."""
        return sum(
            len(base64.b64decode(str(chunk["audio_base64"]))) / 2 / int(str(chunk["sample_rate"]))
            for chunk in map(payload, self.of_type("tts_chunk"))
            if chunk["turn"] == turn
        )

    async def closed(self, within_s: float = WITHIN_S) -> int:
        """Wait until the server closes; return the code."""
        async with asyncio.timeout(within_s):
            while True:
                try:
                    self.messages.append(json.loads(await self.socket.recv()))
                except ConnectionClosed as error:
                    return error.rcvd.code if error.rcvd is not None else 1006


def payload(message: Message) -> Message:
    found = message["payload"]
    assert isinstance(found, dict)
    return found


@asynccontextmanager
async def call_server(server: str, session_id: str | None = None) -> AsyncIterator[Client]:
    """Connect and wait for the `session` message."""
    session_id = session_id or str(uuid.uuid4())
    # With a full queue of what nobody read, the goodbye would not be read either, for ten seconds.
    async with connect(socket_url(server, session_id), max_size=None, max_queue=None) as socket:
        client = Client(socket, session_id)
        await client.next_type("session")
        yield client
