"""Names of the session view: where people and plain Redis commands find a session's events."""

from __future__ import annotations

__all__ = ["VIEW_ENTRIES", "VIEW_KINDS", "VIEW_TTL_S", "state_key", "view_stream"]

VIEW_TTL_S = 3600
VIEW_ENTRIES = 10_000
"""About how many entries a stream of the view keeps: it is for looking at, the log has all of them."""
VIEW_KINDS = ("stt", "intent", "rag", "tts", "webrtc", "orchestrator", "unified_fastrtc", "metrics", "dlq")
_HOME_OF = {"vad": "stt", "session": "orchestrator", "timer": "orchestrator"}
"""Kinds of event that the guide has no stream for, and the stream they are shown in."""


def view_stream(event_type: str, session_id: str) -> str:
    """Return the view's stream for an event, such as `voice:stt:session:<sid>`."""
    parts = event_type.split(".")
    kind = parts[1] if len(parts) > 1 else ""
    kind = _HOME_OF.get(kind, kind)
    return f"voice:{kind if kind in VIEW_KINDS else 'orchestrator'}:session:{session_id}"


def state_key(session_id: str) -> str:
    """Return the hash that holds a session's state."""
    return f"orchestrator:session:{session_id}"
