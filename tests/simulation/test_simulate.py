"""Simulated systems break no rule, whatever happens to them; and mistakes planted in them are found."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import structlog
from click.testing import CliRunner

from app.cli.simulate import Simulated, command
from app.simulation.planted import PLANTS
from app.simulation.world import simulate

SEEDS = 100


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What goes wrong on purpose is no news."""
    configured = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.configure(**configured)


HASHES = "from app.simulation.world import simulate; print(*(simulate(seed).hash for seed in range(8)))"


def test_seeds_break_no_rule() -> None:
    told = [f"seed {seed}: {violation}" for seed in range(SEEDS) for violation in simulate(seed).violations]
    assert told == []


def test_much_goes_wrong_and_much_is_said() -> None:
    outcomes = [simulate(seed) for seed in range(40)]
    faults = set(itertools.chain.from_iterable(outcome.faults for outcome in outcomes))
    assert {"kill", "freeze", "cut off", "lost request", "lost answer", "late request", "twice"} <= faults
    endings = set(itertools.chain.from_iterable(outcome.endings for outcome in outcomes))
    assert {"answered", "apologised", "interrupted", "withdrawn"} <= endings


def test_a_seed_is_the_same_run_in_every_process() -> None:
    root = Path(__file__).parents[2]
    told = []
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(root)}
        run = subprocess.run(
            [sys.executable, "-c", HASHES], env=environment, cwd=root, capture_output=True, text=True, check=True
        )
        told.append(run.stdout.split()[-8:])
    assert told[0] == told[1]
    assert len(set(told[0])) == 8


EXPECTED = {
    "dedupe": "no fact is lost",
    "fence": "a fact is folded once",
    "turn": "no late result is acted on",
}


@pytest.mark.parametrize("plant", sorted(PLANTS))
def test_a_planted_mistake_is_found_within_a_hundred_seeds(plant: str) -> None:
    for seed in range(SEEDS):
        rules = {violation.rule for violation in simulate(seed, PLANTS[plant]).violations}
        if EXPECTED[plant] in rules:
            return
    pytest.fail(f"{SEEDS} seeds with {plant} planted broke no rule that tells of it")


def run(*arguments: str) -> tuple[int, str]:
    outcome = CliRunner().invoke(command, arguments, standalone_mode=False)
    assert outcome.exception is None, outcome.exception
    return outcome.return_value, outcome.stdout


def test_the_command_tells_what_it_did() -> None:
    code, told = run("--seeds", "3", "--seed", "5", "--jobs", "1", "--json")
    result = msgspec.json.decode(told, type=Simulated)
    assert code == 0
    assert (result.first_seed, result.seeds, result.violations) == (5, 3, 0)
    assert result.facts > 0
    assert result.seeds_per_core_s > 0


def test_a_failing_seed_tells_the_same_story_each_time_and_how_to_run_it_again() -> None:
    failing = next(seed for seed in range(SEEDS) if simulate(seed, PLANTS["fence"]).violations)
    arguments = ("--seed", str(failing), "--seeds", "1", "--plant", "fence")
    code, told = run(*arguments)
    assert code == 1
    story = told.split("\nagain: ")[0].splitlines()
    assert story[0].startswith(f"seed {failing}: ")
    assert any("FAULT" in line for line in story)
    assert any(" log " in line for line in story)
    assert f"again: ./run simulate --seed {failing} --seeds 1 --plant fence" in told
    assert run(*arguments)[1].split("\nagain: ")[0].splitlines() == story
