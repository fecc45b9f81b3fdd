"""Random things to send: what no client of good will would, and what is nearly right."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable

from statecharts.events import EVENT_TYPES

__all__ = ["Hostile"]

_OFFER = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 96\r\n"
    "c=IN IP4 0.0.0.0\r\na=mid:0\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\na=sendrecv\r\n"
    "a=fingerprint:sha-256 "
    + ":".join(["AB"] * 32)
    + "\r\na=setup:actpass\r\na=rtcp-mux\r\na=rtpmap:96 opus/48000/2\r\n"
)
_KEYS = ["type", "text", "turn", "played_s", "payload", "event_type", "session_id", "timestamp", "event_id", "metadata",
         "confidence", "origin", "user_id", "sdp", "kind", "keys", "source", "request_id", "is_final"]  # fmt: skip
_TEXTS = [
    "",
    "x" * 50,
    "\0",
    "é☃🎉\u202e",
    "a" * 5000,
    "<script>alert(1)</script>",
    "\r\n\r\n",
    " " * 20,
    "{p03}",
    "NaN",
]
_NUMBERS = [0, -1, 1, 2**31, 2**63, 2**64, 10**40, 0.5, 1e308, float("nan"), float("-inf")]
_METHODS = ["GET", "POST", "POST", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS", "BREW"]
_PATHS = ["/", "/sessions", "/sessions/{}", "/sessions/{}/events", "/sessions/{}/events", "/sessions/{}/offer",
          "/sessions/{}/offer", "/sessions/{}/turns", "/health/ready", "/metrics", "/schema/{}", "/diagrams/{}",
          "/static/{}", "/ws/orchestrate", "/nothing/{}", "//"]  # fmt: skip
_QUERIES = ["", "", "?after=", "?after=%00", "?after=%ff", "?after=9-9-9", "?after=1&after=2", "?level=x", "?&&&="]
_TYPES = ["application/json", "text/plain", "multipart/form-data", "application/msgpack", "x", ""]


class Hostile:
    """A source of such things; the same seed gives the same ones."""

    def __init__(self, seed: int, sessions: list[str]) -> None:
        self._random = random.Random(seed)
        self._sessions = sessions

    def request(self) -> tuple[str, str, bytes | None, dict[str, str]]:
        """Return method, address below the server's, body and headers."""
        pick = self._random.choice
        method = pick(_METHODS)
        body = self._body() if method in ("POST", "PUT", "PATCH") else None
        path = pick(_PATHS).replace("{}", self._session())
        return method, path + pick(_QUERIES), body, {"content-type": pick(_TYPES), "accept": pick(["*/*", "x", ""])}

    def message(self) -> str | bytes:
        """Return a frame for the WebSocket, none of which may close it."""
        pick = self._random.choice
        made: list[Callable[[], str | bytes]] = [
            lambda: self._random.randbytes(pick([0, 1, 2, 641, 1280, 65_535, 65_536])),
            lambda: bytes(1280),
            lambda: pick(["[", '{"type":', '"']) * pick([10, 1000, 8000]),
            lambda: json.dumps(self._value()),
            lambda: json.dumps({"type": pick(["stt_final", "webrtc_event", "keys", "x"]), pick(_KEYS): self._value()}),
            lambda: json.dumps(
                {"type": "webrtc_event", "event_type": pick(list(EVENT_TYPES)), "payload": self._value()}
            ),
            lambda: json.dumps({"type": "stt_final", "text": "a\ud800b"}),
        ]
        return pick(made)()

    def _session(self) -> str:
        made: list[Callable[[], str]] = [
            lambda: self._random.choice(self._sessions),
            lambda: self._random.choice(self._sessions),
            lambda: self._random.choice(self._sessions).upper(),
            lambda: str(uuid.UUID(int=self._random.getrandbits(128))),
            lambda: self._random.choice(["a" * 300, "%00", "%ff%fe", "{p00}", "..%2f..%2fetc", "-1", "*", "%0d%0aX:y"]),
        ]
        return self._random.choice(made)()

    def _value(self, depth: int = 0) -> object:
        kind = self._random.randrange(8)
        if kind < 2 or depth > 3:
            return self._random.choice([None, True, False])
        if kind < 4:
            return self._random.choice(_NUMBERS)
        if kind < 6:
            return self._random.choice(_TEXTS)
        values = [self._value(depth + 1) for _ in range(self._random.randrange(4))]
        return values if kind == 6 else {self._random.choice(_KEYS): value for value in values}

    def _body(self) -> bytes:
        pick = self._random.choice
        made: list[Callable[[], bytes]] = [
            lambda: self._random.randbytes(self._random.randrange(2000)),
            lambda: pick([b"[", b'{"a":', b"x"]) * pick([10, 1000, 60_000, 300_000]),
            lambda: json.dumps(self._value()).encode(),
            lambda: json.dumps({"user_id": self._value(), "metadata": self._value()}).encode(),
            lambda: self._broken(json.dumps(self._event()).encode()),
            lambda: json.dumps(self._event()).encode(),
            lambda: b'{"event_type": "voice.stt.final", "payload": {"text": "hello"}}',
            lambda: json.dumps({"sdp": self._sdp(), "type": pick(["offer", "offer", "answer", 7])}).encode(),
        ]
        return pick(made)()

    def _event(self) -> dict[str, object]:
        payload = {key: self._value() for key in self._random.sample(_KEYS, 4)} | {"text": "hello", "turn": 1}
        return {"event_type": self._random.choice(list(EVENT_TYPES)), "payload": payload, "turn": self._value(3)}

    def _sdp(self) -> str:
        lines = _OFFER.split("\r\n")
        for _ in range(self._random.randrange(5)):
            place = self._random.randrange(len(lines))
            lines[place] = self._random.choice(["", lines[place][:5], lines[place] * 50, "a=mid:0", "m=audio 9 x -1"])
        return "\r\n".join(lines) * self._random.choice([1, 1, 1, 100])

    def _broken(self, data: bytes) -> bytes:
        broken = bytearray(data)
        for _ in range(4):
            broken[self._random.randrange(len(broken))] = self._random.randrange(256)
        return bytes(broken)
