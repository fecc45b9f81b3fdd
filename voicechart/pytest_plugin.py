"""The fixture `verify_chart`, for whoever tests charts of their own with pytest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

__all__ = ["verify_chart"]


@pytest.fixture
def verify_chart() -> Callable[..., None]:
    """Return a function that verifies a chart, and fails the test with the shortest run that breaks a property.

    It takes the chart's class, any number of properties, and `moves`, `key` and `walks` as keywords (see
    `./run verify --help` and `voicechart.proving`). Unreachable states, edges that are never taken and traps are looked
    for in any case.
    """

    def verify(chart: type[Any], *properties: Any, **options: Any) -> None:
        import voicechart.proving  # noqa: F401 - puts the rooms of an installed voicechart on the path
        from app.verification.report import told
        from app.verification.verifying import verify_chart as verified

        report = verified(chart, properties, **options)
        if not report.holds:
            pytest.fail("\n".join(line for failure in report.failures for line in told(failure)), pytrace=False)

    return verify
