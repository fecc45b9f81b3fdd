"""What a client and the server say to each other, as CONTRACT's WebSocket chapter names it."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from statecharts.effects import PlayoutAction
from statecharts.events import Kind, Origin, VoicechartError

__all__ = [
    "Answer",
    "BadMessage",
    "ClientMessage",
    "FinalTranscript",
    "Hangup",
    "KeyPresses",
    "MarkMessage",
    "MarkPayload",
    "MicrophoneOpened",
    "PartialTranscript",
    "Playback",
    "PlayoutMessage",
    "Problem",
    "ServerMessage",
    "SessionOpened",
    "State",
    "TtsChunk",
    "TtsChunkPayload",
    "TypedText",
    "Withdrawn",
    "decode",
    "encode",
]


class BadMessage(VoicechartError):
    """The server sent what no client can read."""


class _Message(Struct, frozen=True, tag_field="type"):
    """Any of them; its type says which."""


class _SessionPayload(Struct, frozen=True):
    session_id: str
    state: str
    substate: str = ""
    turn: int = 0


class SessionOpened(_Message, frozen=True, tag="session"):
    """The first message of a connection; a client speaks after it."""

    payload: _SessionPayload


class PartialTranscript(_Message, frozen=True, tag="stt_partial"):
    """The words recognised so far."""

    text: str
    turn: int = 0
    origin: Origin = "voice"


class FinalTranscript(_Message, frozen=True, tag="stt_final"):
    """The words of a turn; the last final replaces earlier ones."""

    text: str
    turn: int = 0
    origin: Origin = "voice"


class _StatePayload(Struct, frozen=True):
    state: str
    substate: str = ""
    trigger: str = ""
    turn: int = 0


class State(_Message, frozen=True, tag="orchestrator_state"):
    """A transition was taken."""

    payload: _StatePayload


class _AnswerPayload(Struct, frozen=True):
    text: str
    is_final: bool
    turn: int
    kind: Kind = "answer"


class Answer(_Message, frozen=True, tag="answer"):
    """The next sentence of an answer."""

    payload: _AnswerPayload


class TtsChunkPayload(Struct, frozen=True):
    """A piece of the server's voice; the pieces of a turn and kind join without gaps."""

    audio_base64: bytes
    """PCM s16le mono, decoded from base64 by msgspec."""
    sample_rate: int
    turn: int
    seq: int = 0
    is_final: bool = False
    kind: Kind = "answer"


class TtsChunk(_Message, frozen=True, tag="tts_chunk"):
    """Audio for the WebSocket's client; on WebRTC the track carries it."""

    payload: TtsChunkPayload


class _PlayoutPayload(Struct, frozen=True):
    action: PlayoutAction
    turn: int


class PlayoutMessage(_Message, frozen=True, tag="playout"):
    """How to go on playing."""

    payload: _PlayoutPayload


class MarkPayload(Struct, frozen=True):
    """Where on the RTP clock (48 kHz, 32 bit) a turn's audio begins, pauses, goes on and ends."""

    turn: int
    edge: Literal["start", "pause", "resume", "end"]
    rtp: int
    kind: Kind = "answer"


class MarkMessage(_Message, frozen=True, tag="mark"):
    """A place on the track's clock (WebRTC alone)."""

    payload: MarkPayload


class _WithdrawnPayload(Struct, frozen=True):
    turn: int


class Withdrawn(_Message, frozen=True, tag="withdrawn"):
    """A turn was taken back: its answer never happened."""

    payload: _WithdrawnPayload


class Problem(_Message, frozen=True, tag="error"):
    """The server did not like a message, or cannot go on."""

    code: str | int = ""
    message: str = ""


ServerMessage: TypeAlias = (
    SessionOpened | PartialTranscript | FinalTranscript | State | Answer | TtsChunk | PlayoutMessage | MarkMessage
    | Withdrawn | Problem
)  # fmt: skip


class Playback(Struct, frozen=True, omit_defaults=True):
    """What a client has played of a turn; without `played_s`, all of it."""

    event: Literal["playback_started", "playback_progress", "playback_done"]
    turn: int
    kind: Kind
    played_s: float | None = None


class TypedText(Struct, frozen=True):
    """A line from the keyboard."""

    text: str


class KeyPresses(Struct, frozen=True):
    """Keys of a telephone: 0 to 9, *, # and A to D."""

    keys: str


class MicrophoneOpened(Struct, frozen=True):
    """The microphone is open."""

    echo_cancellation: bool
    """Whether the server's voice is taken out of what it hears."""


class Hangup(Struct, frozen=True):
    """The caller is done."""


ClientMessage: TypeAlias = Playback | TypedText | KeyPresses | MicrophoneOpened | Hangup

_KNOWN = frozenset(cls.__struct_config__.tag for cls in ServerMessage.__args__)
_DECODER: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)


class _Head(Struct):
    type: str


def decode(text: str | bytes) -> ServerMessage | None:
    """Return a server's message, or None for a type this client has no use for.

    Raises:
        BadMessage: It is no JSON, or a known message lacks what it must hold.
    """
    try:
        if msgspec.json.decode(text, type=_Head).type not in _KNOWN:
            return None
        return _DECODER.decode(text)
    except msgspec.DecodeError as error:
        raise BadMessage(
            f"the server sent a message that does not fit the contract ({error}): {text[:200]!r}"
        ) from error


def encode(message: ClientMessage) -> str:
    """Return a client's message as the JSON text that goes on the wire."""
    match message:
        case Hangup():
            fields: dict[str, object] = {"type": "hangup"}
        case TypedText(text=text):
            fields = {"type": "stt_final", "text": text, "confidence": 1.0}
        case KeyPresses(keys=keys):
            fields = {"type": "keys", "keys": keys}
        case MicrophoneOpened(echo_cancellation=cancelled):
            payload: dict[str, object] = {"echo_cancellation": cancelled}
            fields = {"type": "webrtc_event", "event_type": "voice.webrtc.mic_opened", "payload": payload}
        case Playback(event=event, turn=turn, kind=kind, played_s=played_s):
            payload = {"turn": turn, "kind": kind} | ({} if played_s is None else {"played_s": played_s})
            fields = {"type": "webrtc_event", "event_type": f"voice.webrtc.{event}", "payload": payload}
    return msgspec.json.encode(fields).decode()
