"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests import edges_taken
from tests.faults import page
from tests.server_process import ServerProcess

# Deadlines measure the machine, not the code; `HYPOTHESIS_PROFILE=long` looks longer.
settings.register_profile("short", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))


FAULTS = page.Results()


def pytest_configure() -> None:
    edges_taken.count()


@pytest.hookimpl(tryfirst=True)  # before `-m fault` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    page.mark(items)
    FAULTS.collected(items)
    # First what takes longest in one piece: at the end, one of two workers would wait for it.
    items.sort(key=lambda item: not item.nodeid.startswith("tests/properties/"))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    FAULTS.reported(report)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("VOICECHART_FAULTS"):
        page.PAGE.write_text(FAULTS.page())
    # In a worker of pytest-xdist this is what it sends home.
    home: dict[str, object] | None = getattr(session.config, "workeroutput", None)
    if home is None:
        edges_taken.write()
    else:
        home["edges_taken"] = edges_taken.taken()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Take in what a worker has counted."""
    edges_taken.add(getattr(node, "workeroutput", {}).get("edges_taken", {}))


@pytest.fixture(autouse=True)
def _logging_of_ones_own() -> Iterator[None]:
    """What a command sets up for its own logs, no later test in this process inherits."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Keeps a figure for docs/faults.md, such as `resumed after 0.53 s`."""
    return lambda figure: request.node.user_properties.append(("measured", figure))


@pytest.fixture(scope="session")
def live_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real server with the real models and short answers; one for the whole run."""
    server = ServerProcess(tmp_path_factory.mktemp("server"))
    try:
        yield server.wait_ready().url
    finally:
        server.stop()
