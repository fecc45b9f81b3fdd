"""The requests: what the chart asks the world to do, imperative and in order."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from statecharts.events import Kind, Origin

__all__ = [
    "CancelFiller",
    "CancelSpeech",
    "CancelTasks",
    "CancelTimer",
    "CommitSpeech",
    "Drop",
    "Effect",
    "EndSession",
    "GuardEcho",
    "Medium",
    "Playout",
    "PlayoutAction",
    "RequestAnswer",
    "RequestIntent",
    "SetMicGate",
    "ShowTranscript",
    "Speak",
    "Speculated",
    "StartTimer",
    "StateChanged",
    "TurnBegan",
    "TurnEnded",
    "Withdrawn",
]

Medium: TypeAlias = Literal["voice", "text"]
PlayoutAction: TypeAlias = Literal["duck", "pause", "stop", "resume"]


class _Request(Struct, frozen=True, tag_field="effect"):
    """Any of them; its name says which, wherever it is written down."""


class Drop(_Request, frozen=True, tag=True):
    """Note that an event changed nothing, and why."""

    event_id: str
    event_type: str
    reason: str


class StateChanged(_Request, frozen=True, tag=True):
    """Tell whoever watches that a transition was taken."""

    old_state: str
    new_state: str
    substate: str
    trigger: str
    turn: int
    timestamp: float
    data: dict[str, object] = {}


class StartTimer(_Request, frozen=True, tag=True):
    """Publish `timer.fired` with this name after `delay_s` seconds; a running timer of the name starts anew."""

    name: str
    delay_s: float


class CancelTimer(_Request, frozen=True, tag=True):
    """Let the timer of this name not fire."""

    name: str


class RequestIntent(_Request, frozen=True, tag=True):
    """Ask a worker what kind of thing was said."""

    turn: int
    text: str
    request_id: str
    speculative: bool = False


class RequestAnswer(_Request, frozen=True, tag=True):
    """Ask a worker for the answer, sentence by sentence."""

    turn: int
    text: str
    request_id: str
    speculative: bool = False


class CancelTasks(_Request, frozen=True, tag=True):
    """Forget the requests of this turn: nobody waits for them any more."""

    turn: int


class Speak(_Request, frozen=True, tag=True, omit_defaults=True):
    """Say the next sentence; an empty final one only ends the answer."""

    turn: int
    text: str
    is_final: bool
    kind: Kind
    request_id: str
    speculative: bool = False
    """Prepare it, and let nobody see or hear it before its turn is committed."""
    voice: int = 0
    """Which of the gateway's voices, the best first."""
    medium: Medium = "voice"
    """`text`: no voice can say it, it is only shown."""
    again: bool = False
    """It was asked for before, of a voice that failed: its text was shown."""


class CommitSpeech(_Request, frozen=True, tag=True):
    """What was prepared of this turn may be seen and heard: the guess was right."""

    turn: int


class Speculated(_Request, frozen=True, tag=True):
    """Count a guess at the next turn: whether it was right, and how long it was worked on."""

    turn: int
    hit: bool
    worked_s: float


class CancelSpeech(_Request, frozen=True, tag=True):
    """Synthesise and send nothing more of this turn."""

    turn: int
    reason: str


class CancelFiller(_Request, frozen=True, tag=True):
    """Throw away what is left of this turn's filler, and nothing else."""

    turn: int
    reason: str


class Playout(_Request, frozen=True, tag=True):
    """Steer the playing of our voice."""

    turn: int
    action: PlayoutAction


class SetMicGate(_Request, frozen=True, tag=True):
    """Tell whether the microphone is listened to; information, never obedience."""

    gate: Literal["open", "closed"]


class GuardEcho(_Request, frozen=True, tag=True):
    """Tell whether our own voice comes back in the microphone: then only what is louder is a sound of the caller's."""

    on: bool


class ShowTranscript(_Request, frozen=True, tag=True):
    """Show the caller what was understood; `turn` is the one these words will open."""

    turn: int
    text: str
    is_final: bool
    confidence: float
    origin: Origin


class Withdrawn(_Request, frozen=True, tag=True):
    """Tell the client that this turn was taken back."""

    turn: int


class TurnBegan(_Request, frozen=True, tag=True):
    """Record that a turn begins, and with what words."""

    turn: int
    text: str


class TurnEnded(_Request, frozen=True, tag=True):
    """Record a turn: what was said, what was answered, and what of it was heard."""

    turn: int
    user_text: str
    answer_text: str
    heard_text: str
    interrupted: bool
    withdrawn: bool


class EndSession(_Request, frozen=True, tag=True):
    """Let the client go."""

    reason: str


Effect: TypeAlias = (
    Drop | StateChanged | StartTimer | CancelTimer | RequestIntent | RequestAnswer | CancelTasks | Speak
    | CommitSpeech | Speculated | CancelSpeech | CancelFiller | Playout | SetMicGate | GuardEcho | ShowTranscript
    | Withdrawn | TurnBegan | TurnEnded | EndSession
)  # fmt: skip
