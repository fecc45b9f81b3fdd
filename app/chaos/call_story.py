"""What a caller notes of a call: what was said, what of that was acknowledged, how long it was kept waiting."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.chaos.line import Got

__all__ = ["CallStory", "Said", "Wait"]


@dataclass
class Said:
    """One question."""

    text: str
    times: int = 0
    """How often it was typed."""
    acknowledged: bool = False
    """The server showed it, or answered 202."""
    event_id: str = ""
    """Of one that another program posted; it is posted with the same id until it is taken."""
    turn: int = 0


@dataclass
class Wait:
    """A time in which the server owed the caller something."""

    what: str
    since: float
    until: float | None = None


@dataclass
class CallStory:
    """One call, as its caller tells it."""

    session_id: str
    said: list[Said] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    got: list[Got] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    connections: int = 0
    over: bool = False
