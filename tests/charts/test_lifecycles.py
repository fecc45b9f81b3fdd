"""The charts beside the conversation's: every situation is walked, every property holds."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from types import ModuleType

import pytest

from app.verification.report import told
from app.verification.verifying import verify_chart
from statecharts import connection_properties, delivery_properties
from statecharts.any_chart import AnyChart
from statecharts.connection import Connection, new_connection
from statecharts.delivery import Delivery, new_delivery
from statecharts.lifecycle import Lifecycle
from statecharts.proving import properties_of
from statecharts.table import declared

LIFECYCLES = [(Connection, connection_properties), (Delivery, delivery_properties)]


@pytest.mark.parametrize(("chart", "properties"), LIFECYCLES, ids=lambda value: value.__name__)
def test_every_property_holds_everywhere(chart: type[AnyChart], properties: ModuleType) -> None:
    report = verify_chart(chart, properties_of(vars(properties)))
    assert [told(failure) for failure in report.failures] == []
    assert report.edges_taken == report.edges


@pytest.mark.parametrize(("chart", "run"), [(Connection, new_connection), (Delivery, partial(new_delivery, 1))])
@pytest.mark.parametrize("seed", range(20))
def test_the_table_and_the_library_agree(
    chart: type[Connection | Delivery], run: Callable[[], Lifecycle[object]], seed: int
) -> None:
    library, table = chart(), run()
    events, draw = declared(chart).events, random.Random(seed)
    for _ in range(60):
        event = draw.choice(events)
        if not library.is_terminated:  # where the library's own engine takes nothing any more
            library.send(event)
        assert table.take(event) == library.take_effects()
        assert [table.state] == list(library.configuration_values)
