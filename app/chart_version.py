"""Which chart this is: a version that cannot be forgotten, since it is taken from what the chart is made of."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from statecharts import stepping
from statecharts.conversation import CHART_VERSION

__all__ = ["CHART", "made_of"]

_FOLDER = Path(stepping.__file__).parent
_IMPORTS = re.compile(r"^from statecharts\.(\w+) import", re.MULTILINE)


def made_of() -> dict[str, str]:
    """Return the source of every module that a step runs, by its name: `stepping`, and what it imports."""
    sources: dict[str, str] = {}
    waiting = ["stepping"]
    while waiting:
        name = waiting.pop()
        if name not in sources:
            sources[name] = (_FOLDER / f"{name}.py").read_text()
            waiting += _IMPORTS.findall(sources[name])
    return sources


def _mark() -> str:
    sources = made_of()
    return hashlib.sha256("".join(sources[name] for name in sorted(sources)).encode()).hexdigest()[:8]


CHART = f"{CHART_VERSION}+{_mark()}"
"""Written beside every journal record: the chart's version, and a mark that changes whenever its source does."""
