"""Which chart this is: a version that cannot be forgotten, since it is taken from what the chart is made of."""

from __future__ import annotations

import hashlib
from pathlib import Path

from statecharts import conversation
from statecharts.conversation import CHART_VERSION

__all__ = ["CHART"]

_FOLDER = Path(conversation.__file__).parent
_MADE_OF = ("context", "conversation", "floor", "guards", "phrases", "scene", "speaking", "speech", "stepping", "table",
            "thinking", "timers")  # fmt: skip
"""Modules of `statecharts` that decide what a step does."""


def _mark() -> str:
    digest = hashlib.sha256()
    for name in _MADE_OF:
        digest.update((_FOLDER / f"{name}.py").read_bytes())
    return digest.hexdigest()[:8]


CHART = f"{CHART_VERSION}+{_mark()}"
"""Written beside every journal record: the chart's version, and a mark that changes whenever its source does."""
