"""The committed drawings: which there are, and whether they are current."""

from __future__ import annotations

import difflib
from pathlib import Path

from diagrams.load import model_of
from diagrams.render import FORMATS, draw, render

__all__ = ["GENERATED", "committed_drawings", "stale"]

GENERATED = Path(__file__).parent / "generated"
LIFECYCLES = ("statecharts.connection:Connection", "statecharts.delivery:Delivery")
"""The charts beside the conversation's."""
_LINES, _WIDTH = 30, 180
"""Of a difference that is shown."""


def committed_drawings() -> dict[str, bytes]:
    """Return every drawing that is committed, by its file name."""
    drawings = {f"conversation.{made.ending}": render(kind) for kind, made in FORMATS.items() if kind != "png"}
    drawings |= {f"overview.{kind}": render(kind, "overview") for kind in ("svg", "dot")}
    for chart in LIFECYCLES:
        model = model_of(chart)
        drawings |= {f"{model.name.lower()}.{FORMATS[kind].ending}": draw(model, kind) for kind in ("svg", "table")}
    return drawings


def stale(folder: Path = GENERATED) -> dict[str, str]:
    """Return, for each drawing that is not what the chart gives now, a readable difference.

    Text forms are compared; pictures only have to be there, since two versions of a renderer draw them differently.
    """
    found: dict[str, str] = {}
    for name, drawing in committed_drawings().items():
        path = folder / name
        if not path.exists():
            found[name] = "it is missing"
        elif not name.endswith(".svg") and path.read_bytes() != drawing:
            lines = difflib.unified_diff(
                path.read_text().splitlines(),
                drawing.decode().splitlines(),
                "committed",
                "the chart now",
                lineterm="",
                n=1,
            )
            told = [line if len(line) <= _WIDTH else f"{line[:_WIDTH]} ..." for line in lines]
            found[name] = "\n".join(told[:_LINES]) + (f"\n... {len(told) - _LINES} more" if len(told) > _LINES else "")
    return found
