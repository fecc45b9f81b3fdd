"""Sounds and server messages for the tests of the caller."""

from __future__ import annotations

import base64
import json

import numpy as np

from app.caller.messages import ServerMessage, decode

TONE_HZ = 440.0


def tone(seconds: float, rate_hz: int, level: float = 0.5) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return level * np.sin(2 * np.pi * TONE_HZ * np.arange(round(seconds * rate_hz)) / rate_hz)


def pcm16(seconds: float, rate_hz: int, level: float = 0.5) -> bytes:
    return (tone(seconds, rate_hz, level) * 32767).astype("<i2").tobytes()


def chunk(
    turn: int, seconds: float, *, is_final: bool = False, rate_hz: int = 10_000, kind: str = "answer"
) -> ServerMessage:
    payload = {
        "audio_base64": base64.b64encode(b"\x10\x27" * round(seconds * rate_hz)).decode(),
        "format": "pcm_s16le", "sample_rate": rate_hz, "turn": turn, "seq": 0, "text": "", "is_final": is_final,
        "kind": kind,
    }  # fmt: skip
    return message("tts_chunk", payload)


def message(kind: str, payload: dict[str, object]) -> ServerMessage:
    decoded = decode(json.dumps({"type": kind, "payload": payload}))
    assert decoded is not None
    return decoded


def order(action: str, turn: int = 1) -> ServerMessage:
    return message("playout", {"action": action, "turn": turn})


def state(name: str, turn: int = 0) -> ServerMessage:
    return message("orchestrator_state", {"state": name, "substate": "", "trigger": "x", "turn": turn})


def final(text: str, turn: int) -> ServerMessage:
    decoded = decode(json.dumps({"type": "stt_final", "text": text, "confidence": 1, "turn": turn, "origin": "voice"}))
    assert decoded is not None
    return decoded


def sentence(text: str, turn: int, *, is_final: bool = False, kind: str = "answer") -> ServerMessage:
    return message("answer", {"text": text, "is_final": is_final, "turn": turn, "kind": kind})


def mark(edge: str, rtp: int, turn: int = 1) -> ServerMessage:
    return message("mark", {"turn": turn, "kind": "answer", "edge": edge, "rtp": rtp % (1 << 32)})
