"""Draws where the milliseconds of a turn go: one bar a step, along the time from the end of the caller's speech."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from statistics import median

from msgspec import Struct

from app.bench.stages import STEPS
from app.bench.turn import TurnBench, TurnCall
from app.caller.link import Transport
from app.caller.report import percentile
from diagrams.lettering import width_of
from diagrams.palette import CARD, NEUTRAL, PALETTE, TINTS
from diagrams.styling import FONTS, dark_style
from statecharts.events import VoicechartError

__all__ = ["NothingToDraw", "draw_turn"]

GOAL_S = 0.35
"""Median from the true end of the speech to the first audio leaving the server that we want."""
_STATES = {
    "detector": "LISTENING", "silence": "LISTENING", "recogniser": "LISTENING", "end_of_turn": "LISTENING",
    "intent": "THINKING", "retrieval": "THINKING", "voice": "SPEAKING", "delivery": "SPEAKING",
}  # fmt: skip
"""Whose colour a step has: who has the floor for its sake."""
_TRANSPORTS = {"ws": "WebSocket", "webrtc": "WebRTC"}
_WIDTH, _LEFT, _RIGHT = 960, 236, 84
_TOP, _ROW, _BAR = 160, 36, 20
_ROOM = 1.08
"""Of the longest bar: what stands behind it is on the same ground."""
_SMALLEST = 7.0
"""A state's name that would be written smaller is left out."""
_SHORTEST = 3.0
"""Width of the shortest bar: what takes a millisecond is still to be seen."""


class NothingToDraw(VoicechartError):
    """Measurements in which no call tells its steps."""


class _Bar(Struct):
    step: str
    begin: float
    end: float
    end_p95: float
    took: float


def draw_turn(result: TurnBench, transport: Transport | None = None) -> str:
    """Return a picture as SVG, fit for light and dark surroundings.

    Args:
        result: What `bench turn` measured.
        transport: Whose calls are drawn; by default those of the first that was measured.

    Raises:
        NothingToDraw: No call of this transport tells where its time went.
    """
    measured: Sequence[Transport] = list(result.caller)
    drawn: Transport = transport or (measured[0] if measured else "ws")
    calls = [call for call in result.calls if call.transport == drawn and call.steps and not call.early]
    if not calls:
        raise NothingToDraw(
            f"no answered call over {drawn} tells where its time went. Measure with a server on this machine: "
            "./run bench turn --picture FILE.svg"
        )
    bars = list(_bars(calls))
    scale = _Scale(max([GOAL_S, *(bar.end_p95 for bar in bars)]) * _ROOM)
    grounds = _grounds(bars, scale)
    height = _TOP + _ROW * len(bars) + 74
    body = "\n".join(
        [
            f'<rect width="{_WIDTH}" height="{height}" rx="14" fill="{CARD.light}"/>',
            *_heading(result, drawn, len(calls)),
            *_drawn_grounds(grounds, scale, height),
            *_axis(scale, height),
            *_moments(calls, scale, height),
            *(line for place, bar in enumerate(bars) for line in _drawn(bar, place, scale, grounds)),
        ]
    )
    return (
        f'<svg class="voicechart" role="img" xmlns="http://www.w3.org/2000/svg" width="100%" '
        f'viewBox="0 0 {_WIDTH} {height}" font-family="{FONTS}">{dark_style(body)}\n{body}\n</svg>\n'
    )


def _bars(calls: Sequence[TurnCall]) -> Iterator[_Bar]:
    for step in STEPS:
        spans = [call.steps[step] for call in calls if step in call.steps]
        if spans:
            yield _Bar(
                step,
                median(begin for begin, _ in spans),
                median(end for _, end in spans),
                percentile((end for _, end in spans), 0.95),
                median(end - begin for begin, end in spans),
            )


class _Scale:
    """Seconds to places."""

    def __init__(self, longest_s: float) -> None:
        self.until_s = math.ceil(longest_s * 20) / 20

    def x(self, seconds: float) -> float:
        width = _WIDTH - _LEFT - _RIGHT
        return round(_LEFT + width * max(0.0, min(seconds, self.until_s)) / self.until_s, 1)


def _heading(result: TurnBench, transport: Transport, calls: int) -> Iterator[str]:
    yield _text(28, 44, "Where the milliseconds of a turn go", size=22, bold=True)
    crowd = "one caller" if result.callers == 1 else f"{result.callers} callers at once"
    where = f"real local models on {result.machine.cores} cores"
    told = f"{_TRANSPORTS[transport]}, {crowd}, {calls} recorded questions, {where}"
    yield _text(28, 68, told, size=13, tint="soft")
    key = "bars: from the median begin to the median end; the thin line: the 95th percentile of the end"
    yield _text(28, 88, key, size=13, tint="soft")


def _grounds(bars: Sequence[_Bar], scale: _Scale) -> list[tuple[str, float, float]]:
    """Return what lies behind the bars: the state that the conversation is in, from when on, and until when."""
    ends = {bar.step: bar.end for bar in bars}
    thinking, speaking = ends.get("end_of_turn", 0.0), ends.get("voice", ends.get("delivery", 0.0))
    return [("LISTENING", 0.0, thinking), ("THINKING", thinking, speaking), ("SPEAKING", speaking, scale.until_s)]


def _drawn_grounds(grounds: Sequence[tuple[str, float, float]], scale: _Scale, height: int) -> Iterator[str]:
    for state, begin, end in grounds:
        left, right = scale.x(begin), scale.x(end)
        colours = PALETTE[state]
        top, bottom = _TOP - 30, height - 52
        yield (
            f'<rect x="{left}" y="{top}" width="{round(right - left, 1)}" height="{bottom - top}" '
            f'fill="{colours.ground}"/>'
        )
        size = min(11.0, math.floor(11 * (right - left - 4) / width_of(state, 11, bold=True)))
        if size >= _SMALLEST:
            yield _text((left + right) / 2, top + 17, state, size=size, bold=True, fill=colours.line, anchor="middle")


def _axis(scale: _Scale, height: int) -> Iterator[str]:
    bottom = height - 52
    for tick in range(round(scale.until_s * 10) + 1):
        x = scale.x(tick / 10)
        yield f'<line x1="{x}" y1="{_TOP - 6}" x2="{x}" y2="{bottom}" stroke="{CARD.light}" stroke-width="1"/>'
        yield _text(x, bottom + 18, f"{tick * 100}", size=12, tint="soft", anchor="middle")
    yield _text(
        (_LEFT + _WIDTH - _RIGHT) / 2, bottom + 38, "milliseconds from the true end of the caller's speech",
        size=12, tint="soft", anchor="middle",
    )  # fmt: skip


def _drawn(
    bar: _Bar, place: int, scale: _Scale, grounds: Sequence[tuple[str, float, float]]
) -> Iterator[str]:  # fmt: skip
    middle = _TOP + _ROW * place + _ROW / 2
    colour = PALETTE[_STATES[bar.step]].line
    left, right, late = scale.x(bar.begin), scale.x(bar.end), scale.x(bar.end_p95)
    right = max(right, left + _SHORTEST)
    yield _text(_LEFT - 14, middle + 4.5, STEPS[bar.step], size=13, anchor="end")
    if late > right:
        yield f'<path d="M{right} {middle}H{late}M{late} {middle - 5}V{middle + 5}" stroke="{colour}" fill="none"/>'
    yield (
        f'<rect x="{left}" y="{middle - _BAR / 2}" width="{round(right - left, 1)}" height="{_BAR}" rx="4" '
        f'fill="{colour}"/>'
    )
    x = max(late, right) + 8
    behind = next((state for state, _, end in grounds if x < scale.x(end)), grounds[-1][0])
    yield _text(
        x, middle + 4.5, f"{bar.took * 1000:.0f} ms", size=13, bold=True, halo=PALETTE[behind].ground
    )  # fmt: skip


def _moments(calls: Sequence[TurnCall], scale: _Scale, height: int) -> Iterator[str]:
    sent = median(call.caller["audio_sent"] for call in calls if "audio_sent" in call.caller)
    top, bottom = _TOP - 30, height - 52
    for seconds, said, dashes in ((sent, f"first audio sent: {sent * 1000:.0f}", ""), (GOAL_S, "goal: 350", "4 4")):
        x = scale.x(seconds)
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        yield (
            f'<line x1="{x}" y1="{top - 4}" x2="{x}" y2="{bottom}" stroke="{NEUTRAL.line}" stroke-width="1.5"{dashed}/>'
        )
        anchor = "start" if seconds == max(sent, GOAL_S) else "end"  # the two do not meet
        yield _text(x + (5 if anchor == "start" else -5), top - 9, said, size=12, bold=not dashes, anchor=anchor)


def _text(
    x: float, y: float, said: str, *, size: float, tint: str = "ink", fill: str = "", bold: bool = False,
    anchor: str = "start", halo: str = "",
) -> str:  # fmt: skip
    """Return a text; its halo, in the colour of the ground, keeps it apart from a line behind it."""
    around = f' stroke="{halo}" stroke-width="4" paint-order="stroke"' if halo else ""
    weight = ' font-weight="bold"' if bold else ""
    width = f'textLength="{width_of(said, size, bold=bold):.1f}" lengthAdjust="spacingAndGlyphs"'
    return (
        f'<text x="{round(x, 1)}" y="{round(y, 1)}" font-size="{size}" fill="{fill or TINTS[tint].light}"{weight}'
        f'{around} text-anchor="{anchor}" {width}>{escape(said)}</text>'
    )
