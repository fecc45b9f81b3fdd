"""What every call of a gateway shares: the loaded models, the rules, and how legs are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from adapters.media.port import FedLeg, PeerLeg
from adapters.recognisers.port import Recogniser
from adapters.voices.port import Voice
from app.gateway.voice_activity import VoiceActivity
from statecharts.policy import Policy

__all__ = ["CallServices", "Message", "PeerFactory", "Send"]

Message = dict[str, object]
Send = Callable[[Message], Awaitable[None]]


class PeerFactory(Protocol):
    """Makes the leg of one peer connection."""

    def __call__(
        self,
        *,
        on_message: Callable[[str], None],
        on_closed: Callable[[str], None],
        on_ready: Callable[[], None],
        send_control: Send,
    ) -> PeerLeg: ...


@dataclass(frozen=True)
class CallServices:
    """One set serves all calls."""

    activity: Callable[[], VoiceActivity]
    """Begins to listen to one microphone."""
    recogniser: Recogniser
    voices: Sequence[Voice]
    """The best first; the others are asked when it fails."""
    policy: Policy
    fed_leg: Callable[[Send], FedLeg]
    peer_leg: PeerFactory
