"""The charts beside the conversation's: every situation is walked, every property holds."""

from __future__ import annotations

from types import ModuleType

import pytest

from app.verification.report import told
from app.verification.verifying import verify_chart
from statecharts import connection_properties, delivery_properties
from statecharts.any_chart import AnyChart
from statecharts.connection import Connection
from statecharts.delivery import Delivery
from statecharts.proving import properties_of

LIFECYCLES = [(Connection, connection_properties), (Delivery, delivery_properties)]


@pytest.mark.parametrize(("chart", "properties"), LIFECYCLES, ids=lambda value: value.__name__)
def test_every_property_holds_everywhere(chart: type[AnyChart], properties: ModuleType) -> None:
    report = verify_chart(chart, properties_of(vars(properties)))
    assert [told(failure) for failure in report.failures] == []
    assert report.edges_taken == report.edges
