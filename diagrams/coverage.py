"""Which edges of a chart were taken, how often, and which never."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from diagrams.model import ChartModel, EdgeModel, fullest
from diagrams.overlay import Entry, Look, Overlay
from diagrams.text import row

__all__ = ["Coverage", "CoverageFile", "path_overlay"]

_THIN, _THICK = 1.4, 6.0


class CoverageFile(Struct, frozen=True, kw_only=True):
    """What a run writes down of the edges it took (`VOICECHART_COVERAGE`)."""

    voicechart_coverage: int = 1
    """Of the format."""
    chart: str
    taken: dict[str, int]
    """By an edge's text."""


class Coverage(Struct, frozen=True, kw_only=True):
    """What was taken of one chart."""

    model: ChartModel
    taken: Mapping[str, int]
    source: str
    """Whose doing it was, for people: `3 calls`."""

    @property
    def never(self) -> list[EdgeModel]:
        """The edges that nobody took."""
        return [edge for edge in self.model.edges if not self.taken.get(str(edge))]

    @property
    def unknown(self) -> list[str]:
        """What was taken and is no edge of this chart: it was another version's."""
        known = {str(edge) for edge in self.model.edges}
        return [text for text in self.taken if text not in known]

    @property
    def summary(self) -> str:
        """One sentence."""
        count = len(self.model.edges)
        return f"{self.source} took {count - len(self.never)} of the {count} edges of {self.model.name}"

    def table(self) -> str:
        """Return the edges that were never taken, then the others by how often, as Markdown."""
        lines = [f"### {self.summary}", ""]
        if self.never:
            lines += [f"Never taken ({len(self.never)}):", "", *(f"- `{edge}`" for edge in self.never), ""]
        counted = sorted(((self.taken.get(str(edge), 0), str(edge)) for edge in self.model.edges), reverse=True)
        lines += [row(("times", "edge")), "|---:|---|"]
        lines += [row((f"{count}", f"`{text}`")) for count, text in counted if count]
        if self.unknown:
            lines += ["", "Of another version of the chart:", "", *(f"- `{text}`" for text in self.unknown)]
        return "\n".join(lines) + "\n"

    def json(self) -> bytes:
        """Return the same for programs."""
        never = [str(edge) for edge in self.never]
        report = {"chart": self.model.name, "edges": len(self.model.edges), "source": self.source,
                  "taken": dict(self.taken), "never": never, "unknown": self.unknown}  # fmt: skip
        return msgspec.json.format(msgspec.json.encode(report)) + b"\n"

    def overlay(self) -> Overlay:
        """Return how the drawing shows it."""
        most = max((self.taken.get(str(edge), 0) for edge in self.model.edges), default=0)
        entries = (
            Entry(text="taken once", width=_width(1, most)),
            Entry(text=f"taken most often ({most} times)", width=_THICK),
            Entry(text="never taken", tint="removed", dashed=True),
        )
        looks = {str(edge): _look(self.taken.get(str(edge), 0), most) for edge in self.model.edges}
        for edges in self.model.shared():  # drawn as one
            looks[str(fullest(edges))] = _look(sum(self.taken.get(str(edge), 0) for edge in edges), most)
        return Overlay(edges=looks, entries=entries, heading=self.summary, tells_origin=False)


def _look(count: int, most: int) -> Look:
    if not count:
        return Look(tint="removed", width=_THIN, dashed=True, note="never")
    return Look(width=_width(count, most), dashed=False, note=f"{count}x")


def _width(count: int, most: int) -> float:
    """Return the width of a line, by the logarithm: calls take a few edges a thousand times as often as others."""
    if most <= 1:
        return _THICK / 2
    return round(_THIN + (_THICK - _THIN) * math.log(count) / math.log(most), 2)


def path_overlay(model: ChartModel, path: Sequence[str], heading: str = "") -> Overlay:
    """Return how the drawing shows one way through the chart: its edges lit and numbered, the others faint.

    Args:
        model: The chart.
        path: The texts of the edges taken, in order.
        heading: What the path is.
    """
    looks: dict[str, Look] = {str(edge): Look(tint="faded") for edge in model.edges}
    steps: dict[str, list[str]] = {}
    for number, text in enumerate(path, 1):
        steps.setdefault(text, []).append(str(number))
    looks |= {text: Look(width=3.4, dashed=False, note=f"({', '.join(numbers)})") for text, numbers in steps.items()}
    entries = (Entry(text="taken, in this order (1, 2, ...)", width=3.4), Entry(text="not taken", tint="faded"))
    return Overlay(edges=looks, entries=entries, heading=heading, tells_origin=False)
