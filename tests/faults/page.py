"""Writes docs/faults.md from a test run: each fault, what was expected, and what came of it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from tests.faults.matrix import CANNOT, FAULTS, SHOWN_BY

__all__ = ["PAGE", "Results", "mark"]

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
_HEAD = """# Faults

What a voice server meets, what is expected of this one, and what came of it when it was brought about. Written by
`./run faults`, a run of the tests named here; figures are of that run and that machine.

| | fault | expected | brought about by | what came of it |
|---|---|---|---|---|
"""


def mark(items: list[pytest.Item]) -> None:
    """Mark the tests that `SHOWN_BY` names with their rows."""
    rows = {name: [row for row, names in SHOWN_BY.items() if name in names] for name in sum(SHOWN_BY.values(), ())}
    for item in items:
        for row in {*rows.get(item.nodeid, ()), *rows.get(item.nodeid.partition("[")[0], ())}:
            item.add_marker(pytest.mark.fault(row))


class Results:
    """What became of the tests of each row."""

    def __init__(self) -> None:
        self._rows: dict[str, list[int]] = {}
        self._outcomes: dict[str, str] = {}
        self._figures: dict[str, list[str]] = defaultdict(list)

    def collected(self, items: list[pytest.Item]) -> None:
        """Note which tests show which rows."""
        for item in items:
            if rows := [number for found in item.iter_markers("fault") for number in found.args]:
                self._rows[item.nodeid] = rows

    def reported(self, report: pytest.TestReport) -> None:
        """Note what became of one test."""
        if report.nodeid not in self._rows:
            return
        if report.when == "call" or report.outcome != "passed":
            self._outcomes[report.nodeid] = report.outcome
        if report.when == "call":
            self._figures[report.nodeid] += [str(value) for name, value in report.user_properties if name == "measured"]

    def page(self) -> str:
        """Return the page."""
        lines = [
            f"| {fault.number} | {fault.what} | {fault.expected} | {fault.how} | {self._came_of(fault.number)} |"
            for fault in FAULTS
        ]
        return _HEAD + "\n".join(lines) + "\n"

    def _came_of(self, row: int) -> str:
        told: dict[str, tuple[list[str], list[str]]] = {}
        for test, rows in self._rows.items():
            if row in rows and test in self._outcomes:
                outcomes, figures = told.setdefault(test.partition("[")[0], ([], []))
                outcomes.append(self._outcomes[test])
                figures += self._figures[test]
        if not told:
            return f"not brought about: {CANNOT[row]}" if row in CANNOT else "not shown by any test"
        return "<br>".join(
            f"{_outcome(outcomes)}{''.join(f', {figure}' for figure in figures)}: `{test}`"
            for test, (outcomes, figures) in sorted(told.items())
        )


def _outcome(outcomes: list[str]) -> str:
    for outcome in ("failed", "skipped"):
        if outcome in outcomes:
            return outcome
    return "holds" if len(outcomes) == 1 else f"holds in {len(outcomes)} cases"
