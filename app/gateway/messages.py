"""What clients may say, checked; each message becomes a fact or a clear refusal.

A `webrtc_event` of type `voice.webrtc.mic_opened` tells that a microphone was opened, and in its payload whether the
client takes our voice out of what it hears: `{"echo_cancellation": false}` makes the conversation cautious, `true` ends
that. A client that never sends it is taken to cancel the echo. It is sent again after a reconnect.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Struct

from adapters.nesting import MAX_DEPTH, too_deep
from statecharts.events import (
    BargeIn,
    Event,
    Kind,
    MicDenied,
    MicMuted,
    MicOpened,
    MicUnmuted,
    PlaybackDone,
    PlaybackProgress,
    PlaybackStarted,
    SessionEnded,
    SttFinal,
    VoicechartError,
)

__all__ = ["MAX_MESSAGE_BYTES", "BadMessage", "KeysPressed", "read_message"]

MAX_MESSAGE_BYTES = 64 * 1024

_PLAYBACK: dict[str, type[PlaybackStarted | PlaybackProgress | PlaybackDone]] = {
    cls.event_type: cls for cls in (PlaybackStarted, PlaybackProgress, PlaybackDone)
}
_OTHERS: dict[str, type[BargeIn | MicMuted | MicUnmuted | MicDenied]] = {
    cls.event_type: cls for cls in (BargeIn, MicMuted, MicUnmuted, MicDenied)
}
"""What has nothing to tell but that it happened."""


class BadMessage(VoicechartError):
    """A client's message that cannot be taken; `code` is for programs, the text for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Typed(Struct):
    text: str
    confidence: float = 1.0


class KeysPressed(Struct, frozen=True):
    """Keys of a telephone."""

    keys: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-D*#]{1,64}$")]


class _Report(Struct):
    turn: int | None = None
    played_s: float | None = None
    kind: Kind = "answer"
    echo_cancellation: bool = True


class _WebRtcEvent(Struct):
    event_type: str
    timestamp: float | None = None
    payload: _Report | None = None


def read_message(data: str | bytes, playing_turn: int) -> Event | KeysPressed:
    """Return the fact, or the keys, in a client's JSON message.

    Args:
        data: The text frame.
        playing_turn: The turn that a playback report without one is about.

    Raises:
        BadMessage: It is no JSON object, of no known type, or a field is missing, wrong or out of range.
    """
    raw = data.encode() if isinstance(data, str) else data
    if too_deep(raw):
        raise BadMessage("bad_json", f"a message nests at most {MAX_DEPTH} levels deep; this one goes deeper")
    try:
        message = msgspec.json.decode(raw, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadMessage("bad_json", f"a message is a JSON object; this is not: {error}") from error
    try:
        match message.get("type"):
            case "stt_final":
                return _typed(msgspec.convert(message, _Typed))
            case "webrtc_event":
                return _client_event(msgspec.convert(message, _WebRtcEvent), playing_turn)
            case "keys":
                return msgspec.convert(message, KeysPressed)
            case "hangup":
                return SessionEnded(reason="hangup")
            case other:
                raise BadMessage(
                    "unknown_type", f"unknown message type {other!r}; known are webrtc_event, stt_final, keys, hangup"
                )
    except msgspec.ValidationError as error:
        raise BadMessage("bad_field", f"{message.get('type')}: {error}") from error


def _typed(message: _Typed) -> Event:
    text = " ".join(message.text.split())
    if not text:
        raise BadMessage("bad_field", "stt_final: the text is empty")
    if not 0 <= message.confidence <= 1:
        raise BadMessage("bad_field", f"stt_final: a confidence lies between 0 and 1, this is {message.confidence}")
    return SttFinal(text=text, confidence=message.confidence, origin="typed")


def _client_event(message: _WebRtcEvent, playing_turn: int) -> Event:
    report = message.payload or _Report()
    if playback := _PLAYBACK.get(message.event_type):
        if report.played_s is not None and not 0 <= report.played_s < 86_400:
            raise BadMessage("bad_field", f"played_s is in seconds of the turn's audio, this is {report.played_s}")
        turn = playing_turn if report.turn is None else report.turn
        return playback(turn=max(0, turn), played_s=report.played_s, kind=report.kind, client_time=message.timestamp)
    if message.event_type == MicOpened.event_type:
        return MicOpened(echo_cancellation=report.echo_cancellation, client_time=message.timestamp)
    if other := _OTHERS.get(message.event_type):
        return other(client_time=message.timestamp)
    known = ", ".join(sorted({*_PLAYBACK, *_OTHERS, MicOpened.event_type}))
    raise BadMessage("unknown_event", f"unknown event_type {message.event_type!r}; a client may send {known}")
