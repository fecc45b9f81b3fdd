"""The chart's mark covers what it is made of."""

from __future__ import annotations

import sys

from app.chart_version import CHART, made_of
from statecharts.conversation import CHART_VERSION, PARTS


def test_the_mark_covers_every_module_that_has_a_part_in_a_step() -> None:
    names = set(made_of())
    assert {part.__module__.rpartition(".")[2] for part in PARTS} < names
    assert {"conversation", "stepping", "table", "timers", "speech", "context", "policy"} < names
    assert not {"exploration", "properties", "proving"} & names
    assert all(f"statecharts.{name}" in sys.modules for name in names)


def test_the_version_is_the_declared_one_and_the_mark() -> None:
    version, mark = CHART.split("+")
    assert version == CHART_VERSION
    assert len(mark) == 8
