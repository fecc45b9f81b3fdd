"""The facts: one vocabulary for the bus, the chart, the log and the API documents.

A fact is past tense. The chart takes an `Event`; the bus carries an `Envelope`, which says besides whose
event it is, who published it and to which trace it belongs. `to_event` and `to_envelope` go between them, and
they are the only place where a payload is validated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, TypeAlias

import msgspec
from msgspec import Struct

__all__ = [
    "EVENT_TYPES",
    "MOVED",
    "OUTCOME_TYPES",
    "BargeIn",
    "Connected",
    "Disconnected",
    "Envelope",
    "Event",
    "IntentDetected",
    "IntentFailed",
    "InvalidEvent",
    "KeyPressed",
    "Kind",
    "MicDenied",
    "MicMuted",
    "MicOpened",
    "MicUnmuted",
    "Origin",
    "PlaybackDone",
    "PlaybackProgress",
    "PlaybackStarted",
    "RagAnswerReady",
    "RagFailed",
    "SessionEnded",
    "SessionStarted",
    "SpeechStarted",
    "SpeechStopped",
    "SttFailed",
    "SttFinal",
    "SttPartial",
    "TimerFired",
    "TtsChunkReady",
    "TtsDone",
    "TtsFailed",
    "VoicechartError",
    "to_envelope",
    "to_event",
]

MOVED = "moved"
"""Why a client is gone from a gateway when it is at another one."""

Origin: TypeAlias = Literal["voice", "typed"]
Kind: TypeAlias = Literal["answer", "filler", "greeting", "prompt", "apology"]
"""What a piece of our speech is: a reply, a stop-gap, unasked speech, or the admission that something failed."""


class VoicechartError(Exception):
    """Something a caller of voicechart can act upon; the message says what."""


class InvalidEvent(VoicechartError):
    """An envelope whose type is unknown or whose payload does not fit it."""


class Envelope(Struct, frozen=True, kw_only=True):
    """An event as it travels: on the bus, in the log, over HTTP."""

    event_type: str
    session_id: str
    payload: dict[str, object] = {}
    event_id: str = ""
    correlation_id: str = ""
    timestamp: float = 0.0
    """Unix seconds, stamped by the server that publishes."""
    source: str = ""
    turn: int = 0
    """The turn this fact belongs to; 0 for what the caller does, which is never stale."""
    metadata: dict[str, object] = {}


class Event(Struct, frozen=True, kw_only=True):
    """What every fact has: when it happened, and the turn it belongs to (0: the caller's doing)."""

    event_type: ClassVar[str]
    timestamp: float = 0.0
    turn: int = 0
    event_id: str = ""


class SessionStarted(Event, frozen=True, kw_only=True):
    """A session was created."""

    event_type = "voice.session.started"
    transport: str = ""


class SessionEnded(Event, frozen=True, kw_only=True):
    """The caller hung up, or somebody ended the session."""

    event_type = "voice.session.ended"
    reason: str = ""


class SpeechStarted(Event, frozen=True, kw_only=True):
    """The detector hears a voice."""

    event_type = "voice.vad.speech_started"
    audio_s: float = 0.0
    """Where in the session's microphone audio the voice begins, in seconds."""


class SpeechStopped(Event, frozen=True, kw_only=True):
    """The detector hears the voice no more."""

    event_type = "voice.vad.speech_stopped"
    audio_s: float = 0.0
    """Where in the session's microphone audio the voice ends, in seconds."""
    duration_s: float = 0.0
    silence_s: float = 0.0
    """How long it had been silent when this was noticed, in seconds."""


class SttPartial(Event, frozen=True, kw_only=True):
    """The words recognised so far; the caller may go on."""

    event_type = "voice.stt.partial"
    text: str
    confidence: float = 0.0
    is_final: bool = False
    duration_ms: float = 0.0
    speculative: bool = False
    origin: Origin = "voice"


class SttFinal(Event, frozen=True, kw_only=True):
    """The words of an utterance, all of the turn so far; or typed text. Empty: there were none."""

    event_type = "voice.stt.final"
    text: str
    confidence: float = 0.0
    is_final: bool = True
    duration_ms: float = 0.0
    speculative: bool = False
    origin: Origin = "voice"


class SttFailed(Event, frozen=True, kw_only=True):
    """The recogniser could not do its work."""

    event_type = "voice.stt.failed"
    error: str = ""


class IntentDetected(Event, frozen=True, kw_only=True):
    """What kind of thing the caller said."""

    event_type = "voice.intent.detected"
    intent: str
    confidence: float = 0.0
    request_id: str = ""


class IntentFailed(Event, frozen=True, kw_only=True):
    """No intent will come."""

    event_type = "voice.intent.failed"
    error: str = ""
    request_id: str = ""


class RagAnswerReady(Event, frozen=True, kw_only=True):
    """The next sentence of the answer; the last one is final, and may be empty."""

    event_type = "voice.rag.answer_ready"
    text: str = ""
    is_final: bool = False
    request_id: str = ""
    source: str = ""
    score: float = 0.0


class RagFailed(Event, frozen=True, kw_only=True):
    """No answer will come."""

    event_type = "voice.rag.failed"
    error: str = ""
    request_id: str = ""


class TtsChunkReady(Event, frozen=True, kw_only=True):
    """A chunk of our voice left for the client."""

    event_type = "voice.tts.chunk_ready"
    seq: int = 0
    audio_ms: float = 0.0
    sentence_ms: float = 0.0
    """All of the sentence's audio, once that is known; else 0."""
    is_final: bool = False
    request_id: str = ""
    words: tuple[tuple[int, float], ...] = ()
    """Where words of the sentence end: characters of its text, and seconds of its speech, each from its beginning."""


class TtsDone(Event, frozen=True, kw_only=True):
    """All of a request was synthesised and sent."""

    event_type = "voice.tts.done"
    request_id: str = ""


class TtsFailed(Event, frozen=True, kw_only=True):
    """The voice that was asked could not speak a request, or not all of it."""

    event_type = "voice.tts.failed"
    error: str = ""
    request_id: str = ""
    voices_left: int = 0
    """How many other voices there are that have not been asked yet."""


class Connected(Event, frozen=True, kw_only=True):
    """A client is there."""

    event_type = "voice.webrtc.connected"
    transport: str = ""
    still: bool = False
    """It was never gone: its gateway stood still for a while, and was taken for dead."""


class Disconnected(Event, frozen=True, kw_only=True):
    """The client is gone, and did not hang up."""

    event_type = "voice.webrtc.disconnected"
    reason: str = ""
    """In words; `MOVED` if it is there, but at another gateway, which says so before it connects."""


class PlaybackStarted(Event, frozen=True, kw_only=True):
    """The client began to play this turn's audio."""

    event_type = "voice.webrtc.playback_started"
    played_s: float | None = None
    client_time: float | None = None
    kind: Kind = "answer"


class PlaybackProgress(Event, frozen=True, kw_only=True):
    """So many seconds of this turn's audio were played."""

    event_type = "voice.webrtc.playback_progress"
    played_s: float | None = None
    client_time: float | None = None
    kind: Kind = "answer"


class PlaybackDone(Event, frozen=True, kw_only=True):
    """The client plays this turn no more; without `played_s`, all of it was played."""

    event_type = "voice.webrtc.playback_done"
    played_s: float | None = None
    client_time: float | None = None
    kind: Kind = "answer"


class BargeIn(Event, frozen=True, kw_only=True):
    """The client itself noticed a voice over ours."""

    event_type = "voice.webrtc.barge_in"
    played_s: float | None = None
    client_time: float | None = None


class KeyPressed(Event, frozen=True, kw_only=True):
    """The caller began to press keys; what they enter comes as typed text when it is whole."""

    event_type = "voice.webrtc.key_pressed"


class MicOpened(Event, frozen=True, kw_only=True):
    """The caller's microphone was opened."""

    event_type = "voice.webrtc.mic_opened"
    echo_cancellation: bool = True
    """Whether the client takes our voice out of what the microphone hears; clients that do not say so do."""
    client_time: float | None = None


class MicMuted(Event, frozen=True, kw_only=True):
    """The caller muted the microphone."""

    event_type = "voice.webrtc.mic_muted"
    client_time: float | None = None


class MicUnmuted(Event, frozen=True, kw_only=True):
    """The caller unmuted the microphone."""

    event_type = "voice.webrtc.mic_unmuted"
    client_time: float | None = None


class MicDenied(Event, frozen=True, kw_only=True):
    """The caller's browser gave no microphone."""

    event_type = "voice.webrtc.mic_denied"
    client_time: float | None = None


class TimerFired(Event, frozen=True, kw_only=True):
    """A timer the chart started ran out."""

    event_type = "voice.timer.fired"
    name: str


EVENT_TYPES: Mapping[str, type[Event]] = {
    cls.event_type: cls
    for cls in (
        SessionStarted, SessionEnded, SpeechStarted, SpeechStopped, SttPartial, SttFinal, SttFailed,
        IntentDetected, IntentFailed, RagAnswerReady, RagFailed, TtsChunkReady, TtsDone, TtsFailed,
        Connected, Disconnected, PlaybackStarted, PlaybackProgress, PlaybackDone, BargeIn, KeyPressed,
        MicOpened, MicMuted, MicUnmuted, MicDenied, TimerFired,
    )
}  # fmt: skip
"""Every fact the chart takes, by its type on the wire."""

OUTCOME_TYPES = frozenset(
    {
        "voice.stt.request", "voice.intent.request", "voice.rag.request", "voice.tts.request", "voice.tts.cancel",
        "voice.orchestrator.state", "voice.orchestrator.drop",
        "voice.unified_fastrtc.gate_on", "voice.unified_fastrtc.gate_off",
        "voice.metrics.event", "voice.dlq.added",
    }
)  # fmt: skip
"""What the system says of its own doing; nobody may publish these to it."""


def to_event(envelope: Envelope) -> Event:
    """Return the fact inside an envelope, validated.

    Raises:
        InvalidEvent: The type is not in `EVENT_TYPES`, or a field is missing or of the wrong kind.
    """
    cls = EVENT_TYPES.get(envelope.event_type)
    if cls is None:
        raise InvalidEvent(f"unknown event type {envelope.event_type!r}; known are {', '.join(sorted(EVENT_TYPES))}")
    fields = dict(envelope.payload)
    # `turn` may stand in the payload (a client's playback report) or in the envelope.
    turn = fields.pop("turn", None)
    fields |= {"timestamp": envelope.timestamp, "event_id": envelope.event_id}
    fields["turn"] = envelope.turn if turn is None else turn
    try:
        return msgspec.convert(fields, cls)
    except msgspec.ValidationError as error:
        raise InvalidEvent(f"{envelope.event_type}: {error}") from error


_HEAD = ("timestamp", "turn", "event_id")


def to_envelope(
    event: Event,
    session_id: str,
    *,
    source: str,
    correlation_id: str = "",
    metadata: dict[str, object] | None = None,
) -> Envelope:
    """Return an event wrapped for the road; times and ids are the event's own."""
    payload = {
        name: value
        for name in event.__struct_fields__
        if name not in _HEAD and (value := getattr(event, name)) is not None
    }
    return Envelope(
        event_type=event.event_type,
        session_id=session_id,
        payload=payload,
        event_id=event.event_id,
        correlation_id=correlation_id or session_id,
        timestamp=event.timestamp,
        source=source,
        turn=event.turn,
        metadata=metadata or {},
    )
