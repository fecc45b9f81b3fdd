"""Every scenario beside this file shows what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.scenario.reading import read_scenario
from app.scenario.stage import run_scenario

FILES = sorted(Path(__file__).parent.glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_all_that_is_expected_is_seen(path: Path) -> None:
    outcome = run_scenario(read_scenario(path))
    assert not outcome.failures


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_scenario_says_what_it_shows_and_where_it_comes_from(path: Path) -> None:
    scenario = read_scenario(path)
    assert scenario.title
    assert scenario.source
    assert scenario.expect != type(scenario.expect)()
    assert not scenario.policy.not_built
