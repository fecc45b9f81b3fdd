"""What a call was like, in numbers and for people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from msgspec import Struct
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from app.caller.link import Transport
from statecharts.events import Kind

__all__ = ["STAGES", "STATE_COLOURS", "CallReport", "percentile", "render"]

STATE_COLOURS = {
    "IDLE": "#8a94a6",
    "LISTENING": "#2f9e6e",
    "THINKING": "#c98a12",
    "SPEAKING": "#3b72d9",
    "INTERRUPT": "#d1495b",
}
"""The five colours of the diagrams and pages."""

STAGES = {
    "end_of_turn": "turn taken (THINKING)",
    "final_text": "final transcript",
    "first_answer": "first sentence",
    "audio_sent": "first audio sent by the server",
    "first_audio": "first audio received",
    "playback_started": "first audio played",
}
"""The latencies of a call: from the true end of the caller's speech, on the caller's own clock."""


class CallReport(Struct, frozen=True, kw_only=True):
    """One call, as the caller knows it. Times are seconds since the microphone was opened."""

    session_id: str
    transport: Transport
    answered: bool
    problem: str = ""
    """Why the caller was not answered; empty if they were."""
    transcript: str
    answer: str
    kind: Kind | None
    """Kind of the speech heard last; None if there was none."""
    states: list[tuple[float, str]]
    latencies: dict[str, float]
    """By the names of `STAGES`, in seconds; those that were not reached are missing."""
    audio_s: float
    """Audio of the answer that was received."""
    heard_s: float
    """Audio of the answer that was played."""
    speech_end_s: float
    """True end of the caller's speech."""
    opened_at: float = 0.0
    """When the microphone was opened, Unix seconds."""
    gaps_s: list[float] = []
    """Silences inside the answer, in seconds: its next piece was late."""


def percentile(values: Iterable[float], share: float) -> float:
    """Return the smallest value that at least `share` (0 to 1) of the values do not exceed (nearest rank).

    Raises:
        ValueError: There are no values.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values, no percentile")
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def render(report: CallReport) -> RenderableType:
    """Return a report as a terminal shows it."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("you said", report.transcript or Text("(nothing was understood)", style="dim"))
    table.add_row("answer", _answer(report))
    table.add_row("states", _states(report.states))
    table.add_row("audio", f"{report.heard_s:.2f} s heard of {report.audio_s:.2f} s received over {report.transport}")
    table.add_row("session", report.session_id)
    times = Table(title="seconds from the true end of your speech", title_justify="left", box=None, pad_edge=False)
    times.add_column("stage")
    times.add_column("s", justify="right")
    for name, meaning in STAGES.items():
        if name in report.latencies:
            times.add_row(meaning, f"{report.latencies[name]:.3f}")
    return Group(table, Text(), times) if report.latencies else table


def _answer(report: CallReport) -> Text:
    text = Text(report.answer or "(none)", style="" if report.answer else "dim")
    if report.kind not in (None, "answer"):
        text.append(f"  ({report.kind})", style="dim")
    return text


def _states(states: Sequence[tuple[float, str]]) -> Text:
    return Text("  ").join(Text(f"{at:.2f} {name}", style=STATE_COLOURS.get(name, "")) for at, name in states)
