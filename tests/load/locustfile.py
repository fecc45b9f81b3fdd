"""Many callers at once who type and listen, for Locust: what an answer takes, and how many are given.

    pip install locust websocket-client
    ./run serve
    locust -f tests/load/locustfile.py --headless --users 50 --spawn-rate 10 --run-time 60s --host http://127.0.0.1:8000

In the table: `connect` until the greeting came, `first audio` from the words to the first chunk, `heard` from there
until the answer was played and the floor is the caller's again. Locust runs on gevent, in which WebRTC cannot live:
these callers use the WebSocket alone.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import websocket
from locust import User, between, task

QUESTION = "hello world"
WITHIN_S = 15.0


class VoiceUser(User):
    """Connects, says something, and listens to the end of the answer."""

    wait_time = between(1, 5)

    @task
    def conversation(self) -> None:
        """Hold one whole conversation."""
        url = f"{self.host.replace('http', 'ws', 1)}/ws/orchestrate?session_id={uuid.uuid4()}"
        with self._timed("connect"):
            self._socket = websocket.create_connection(url, timeout=WITHIN_S)
            self._until("session")
        try:
            self._say(type="stt_final", text=QUESTION, confidence=0.95)
            with self._timed("first audio"):
                chunk = self._until("tts_chunk")
            with self._timed("heard"):
                self._listen(chunk)
            self._say(type="hangup")
        finally:
            # Not `close`: it swallows whatever is raised while it waits, Locust's own way to end a user among it.
            self._socket.shutdown()

    def _listen(self, chunk: dict[str, object]) -> None:
        """Play the answer as it would be heard, tell so, and wait until it is our turn."""
        began, audio_s = time.monotonic(), _seconds(chunk)
        while not chunk["payload"]["is_final"]:  # type: ignore[index]
            chunk = self._until("tts_chunk")
            audio_s += _seconds(chunk)
        time.sleep(max(0.0, began + audio_s - time.monotonic()))
        report = {"turn": chunk["payload"]["turn"]}  # type: ignore[index]
        self._say(type="webrtc_event", event_type="voice.webrtc.playback_done", payload=report)
        while self._until("orchestrator_state")["payload"]["state"] != "LISTENING":  # type: ignore[index]
            pass

    def _say(self, **message: object) -> None:
        self._socket.send(json.dumps(message))

    def _until(self, kind: str) -> dict[str, object]:
        """Return the next message of a type."""
        deadline = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline:
            message: dict[str, object] = json.loads(self._socket.recv())
            if message["type"] == kind:
                return message
        raise TimeoutError(f"no {kind} within {WITHIN_S:.0f} s")

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        """Count what is done inside, and how long it took."""
        began, error = time.perf_counter(), None
        try:
            yield
        except Exception as failure:
            error = failure
            raise
        finally:
            took_ms = (time.perf_counter() - began) * 1000
            self.environment.events.request.fire(
                request_type="WS", name=name, response_time=took_ms, response_length=0, exception=error
            )


def _seconds(chunk: dict[str, object]) -> float:
    payload = chunk["payload"]
    assert isinstance(payload, dict)
    return len(payload["audio_base64"]) * 3 / 4 / 2 / float(payload["sample_rate"])
