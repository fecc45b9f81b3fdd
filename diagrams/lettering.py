"""Text with a size: what a label says, how wide it is, and where it breaks.

Places are computed before anything is drawn, so widths are needed here. They are those of Helvetica (Adobe's font
metrics; Arial and Liberation Sans have the same), which Graphviz measures with too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from msgspec import Struct

from diagrams.palette import TINTS

__all__ = ["Block", "Line", "Run", "broken", "width_of"]

_LEADING = 1.2
"""Height of a line, as a multiple of its font's size."""

_FIRST = 32
# Thousandths of the font's size, from the space to the tilde.
_REGULAR = (
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, *(556,) * 10, 278, 278, 584, 584,
    584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611,
    722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500,
    222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
)  # fmt: skip
_BOLD = (
    278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278, *(556,) * 10, 333, 333, 584, 584,
    584, 611, 975, 722, 722, 722, 722, 667, 611, 778, 722, 278, 556, 722, 611, 833, 722, 778, 667, 778, 722, 667, 611,
    722, 667, 944, 667, 667, 611, 333, 278, 333, 584, 556, 333, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556,
    278, 889, 611, 611, 611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584,
)  # fmt: skip


def width_of(text: str, size: float, *, bold: bool = False) -> float:
    """Return how wide a text is, in points; characters beyond ASCII count as an average one."""
    widths = _BOLD if bold else _REGULAR
    total = sum(widths[ord(one) - _FIRST] if _FIRST <= ord(one) < _FIRST + len(widths) else 556 for one in text)
    return total * size / 1000


class Run(Struct, frozen=True):
    """Text in one style."""

    text: str
    tint: str = "ink"
    """One of `palette.TINTS`, or a colour."""
    bold: bool = False
    clock: bool = False
    """Before it stands the sign of a timer, in a gap of `Line.CLOCK`."""

    @property
    def colour(self) -> str:
        """Its colour on a light ground."""
        return TINTS[self.tint].light if self.tint in TINTS else self.tint


class Line(Struct, frozen=True):
    """Runs beside each other."""

    runs: tuple[Run, ...]
    size: float = 10.0
    above: int = 0
    """Blank room above it."""

    CLOCK = "    "
    """Blanks that leave room for a clock."""

    def said(self, run: Run) -> str:
        """Return a run's text with room for its clock."""
        return (self.CLOCK if run.clock else "") + run.text

    @property
    def width(self) -> float:
        """In points."""
        return sum(width_of(self.said(run), self.size, bold=run.bold) for run in self.runs)

    @property
    def height(self) -> int:
        """In points, and whole: Graphviz takes no other heights."""
        return math.ceil(self.size * _LEADING) + self.above

    def clocks(self) -> list[float]:
        """Return how far to the right of its beginning the middle of each clock stands."""
        found, at = [], 0.0
        for run in self.runs:
            if run.clock:
                found.append(at + width_of(self.CLOCK, self.size, bold=run.bold) / 2)
            at += width_of(self.said(run), self.size, bold=run.bold)
        return found


class Block(Struct, frozen=True):
    """Lines below each other, flush left."""

    lines: tuple[Line, ...] = ()

    @property
    def width(self) -> float:
        """In points."""
        return max((line.width for line in self.lines), default=0.0)

    @property
    def height(self) -> int:
        """In points."""
        return sum(line.height for line in self.lines)

    def html(self, aligned: float = 0.0) -> str:
        """Return the block as a label of Graphviz; lines flush left (0), centred (0.5) or flush right (1)."""
        align = {0.0: "left", 0.5: "center", 1.0: "right"}[aligned]
        # A row for each line: how far apart lines of one cell are differs from renderer to renderer.
        rows = "".join(
            f'<tr><td align="{align}" valign="bottom" height="{line.height}">{self._row(line)}</td></tr>'
            for line in self.lines
        )
        return f'<<table border="0" cellborder="0" cellspacing="0" cellpadding="0">{rows}</table>>'

    def _row(self, line: Line) -> str:
        runs = []
        for run in line.runs:
            text = escape(line.said(run), quote=False)
            inner = f"<b>{text}</b>" if run.bold else text
            runs.append(f'<font point-size="{line.size:g}" color="{run.colour}">{inner}</font>')
        # Graphviz sets a line of one run lower than others; with an empty one at its end all are alike.
        return "".join(runs) + ('<font point-size="1"> </font>' if len(runs) == 1 else "")


def broken(runs: Iterable[Run], size: float, width: float, *, indent: str = "") -> list[Line]:
    """Return runs in lines no wider than `width`, broken at blanks; later lines begin with `indent`.

    A single word that is wider stays whole.
    """
    lines: list[list[Run]] = [[]]
    used = 0.0
    for run in runs:
        for number, word in enumerate(run.text.split(" ")):
            clock = run.clock and number == 0
            blank = "" if number == 0 else " "
            gap = Line.CLOCK if clock else ""
            wide = width_of(blank + gap + word, size, bold=run.bold)
            if lines[-1] and word and used + wide > width and _may_break(lines[-1], blank):
                lines.append([Run(indent)] if indent else [])
                used = width_of(indent, size)
                blank, wide = "", width_of(gap + word, size, bold=run.bold)
            lines[-1].append(Run(blank + word, run.tint, run.bold, clock))
            used += wide
    return [Line(tuple(_joined(line)), size) for line in lines if any(run.text for run in line)]


def _may_break(line: Sequence[Run], blank: str) -> bool:
    return bool(blank) or line[-1].text.endswith(" ")


def _joined(runs: Sequence[Run]) -> list[Run]:
    """Return runs of the same style as one."""
    found: list[Run] = []
    for run in runs:
        last = found[-1] if found else None
        if last is not None and (last.tint, last.bold) == (run.tint, run.bold) and not run.clock:
            found[-1] = Run(last.text + run.text, last.tint, last.bold, last.clock)
        elif run.text:
            found.append(run)
    return found
