"""Every format of a chart, from the one model."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import graphviz

from diagrams.exports import json_text, scxml_text, xstate_text
from diagrams.extract import conversation_model
from diagrams.full import full_source
from diagrams.model import ChartModel
from diagrams.overlay import PLAIN, Overlay
from diagrams.overview import collapsed, wheel_source
from diagrams.places import is_wheel
from diagrams.styling import styled
from diagrams.text import mermaid_text, table_text
from statecharts.events import VoicechartError

__all__ = ["DRAWN", "FORMATS", "LEVELS", "CannotDraw", "Format", "draw", "render"]

_TIMEOUT_S = 60.0


class CannotDraw(VoicechartError):
    """A drawing that cannot be made; the message says what can."""


class Format(NamedTuple):
    """How a format is called on the web and as a file."""

    media_type: str
    ending: str
    levels: bool
    """Whether there is an overview of it, too."""


FORMATS: Mapping[str, Format] = {
    "svg": Format("image/svg+xml", "svg", True),
    "png": Format("image/png", "png", True),
    "dot": Format("text/vnd.graphviz", "dot", True),
    "mermaid": Format("text/vnd.mermaid", "mmd", False),
    "table": Format("text/markdown", "md", False),
    "scxml": Format("application/scxml+xml", "scxml", False),
    "xstate": Format("application/json", "xstate.json", False),
    "json": Format("application/json", "json", False),
}
DRAWN = tuple(kind for kind, made in FORMATS.items() if made.levels)
"""The formats over which something can be laid."""
LEVELS = ("overview", "full")
_TEXTS: Mapping[str, Callable[[ChartModel], str]] = {
    "mermaid": mermaid_text, "table": table_text, "scxml": scxml_text, "xstate": xstate_text, "json": json_text,
}  # fmt: skip


@functools.lru_cache(maxsize=32)
def render(kind: str, level: str = "full", renderer: str = "pure") -> bytes:
    """Return a drawing of the conversation's chart; the same bytes every time.

    Args:
        kind: One of `FORMATS`.
        level: `overview` or `full`; formats without pictures have one level.
        renderer: `pure`, the packaged one, or `dot`, Graphviz as it is installed.

    Raises:
        CannotDraw: There is no such format, level or renderer.
    """
    return draw(conversation_model(), kind, level, renderer)


def draw(model: ChartModel, kind: str, level: str = "full", renderer: str = "pure", overlay: Overlay = PLAIN) -> bytes:
    """Return a drawing of any chart's model; see `render`. Only the full one has something laid over it."""
    if kind not in FORMATS:
        raise CannotDraw(f"there is no format {kind!r}; there are {', '.join(FORMATS)}")
    if level not in LEVELS:
        raise CannotDraw(f"there is no level {level!r}; there are {', '.join(LEVELS)}")
    if kind in _TEXTS:
        return _TEXTS[kind](model).encode()
    graph = full_source(model, overlay) if level == "full" else _overview(model)
    if kind == "dot":
        return str(graph.source).encode()
    picture = _run(graph, kind, renderer)
    return styled(picture) if kind == "svg" else picture


def _overview(model: ChartModel) -> graphviz.Digraph:
    return wheel_source(model) if is_wheel(model) else full_source(collapsed(model))


def _run(graph: graphviz.Digraph, kind: str, renderer: str) -> bytes:
    program = _program(renderer)
    # -n2: take the places as they are. A PNG cannot follow its surroundings, so it gets a ground of its own.
    picture = ["-Gdpi=144", "-Gbgcolor=white"] if kind == "png" else []
    command = [program, f"-K{graph.engine}", "-n2", f"-T{kind}", *picture]
    done = subprocess.run(
        command, input=str(graph.source).encode(), capture_output=True, check=False, timeout=_TIMEOUT_S
    )
    if done.returncode or not done.stdout:
        raise CannotDraw(f"{Path(program).name} could not draw the chart: {done.stderr.decode(errors='replace')[:300]}")
    return done.stdout


def _program(renderer: str) -> str:
    name = {"pure": "graphviz-pure", "dot": "dot"}.get(renderer)
    if name is None:
        raise CannotDraw(f"there is no renderer {renderer!r}; there are pure and dot")
    search = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
    found = shutil.which(name, path=search)
    if found is None:
        advice = "apt install graphviz" if name == "dot" else "pip install graphviz-pure"
        raise CannotDraw(f"{name} is not installed. {advice}, or choose the other --renderer.")
    return found
