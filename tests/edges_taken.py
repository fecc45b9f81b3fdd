"""Writes down which edges of the conversation a test run took: `VOICECHART_COVERAGE=FILE ./run test`.

Only charts that run in the tests' own processes are seen. `./run diagram coverage FILE` draws it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import msgspec

from app.cli.files import replace_file
from diagrams.coverage import CoverageFile
from statecharts.stepping import TABLE, RunningChart
from statecharts.table import Edge

__all__ = ["add", "count", "taken", "write"]

_taken: Counter[str] = Counter()


def count() -> None:
    """Begin to count, if the environment asks for it."""
    if not os.environ.get("VOICECHART_COVERAGE"):
        return
    moved = RunningChart._moved

    def counted(self: RunningChart, edge: Edge, path: str) -> None:
        _taken[str(edge)] += 1
        moved(self, edge, path)

    RunningChart._moved = counted  # type: ignore[method-assign]  # every chart there is has to be seen


def taken() -> dict[str, int]:
    """Return what this process has counted."""
    return dict(_taken)


def add(others: Mapping[str, int]) -> None:
    """Take in what another process of the same run has counted."""
    _taken.update(others)


def write() -> None:
    """Write what was counted, whole."""
    if path := os.environ.get("VOICECHART_COVERAGE"):
        found = CoverageFile(chart=TABLE.declaration.name, taken=dict(sorted(_taken.items())))
        replace_file(Path(path), msgspec.json.format(msgspec.json.encode(found)) + b"\n")
