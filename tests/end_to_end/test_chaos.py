"""Roles apart are killed, frozen and cut off while callers talk; nothing is lost, nothing is done twice."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from app.chaos.run import Outcome
from tests.server_process import ROOT

SEED, KILLS = 7, 24
ROWS = (1, 2, 4, 18, 19, 30)
"""Of docs/faults.md: what happens to the log server and the links to it, to orchestrators, and to clients."""


@pytest.mark.real
@pytest.mark.fault(*ROWS)
@pytest.mark.timeout(300)
def test_two_dozen_faults_lose_nothing_and_do_nothing_twice(tmp_path: Path, measured: Callable[[str], None]) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "app", "chaos", "--kills", str(KILLS), "--seed", str(SEED), "--json",
         "--callers", "4", "--folder", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-6000:]
    outcome = msgspec.json.decode(ran.stdout, type=Outcome)
    assert outcome.wrong == {"lost": [], "doubled": [], "violated": []}
    assert outcome.faults == KILLS
    assert sum(outcome.turns.values()) >= KILLS, "callers talked all the time"
    assert sum(found.waits for found in outcome.recoveries.values()) >= KILLS / 2, "the faults were noticed"
    others, redis = outcome.of_others, outcome.of_redis
    measured(
        f"{outcome.faults} faults at random, {sum(outcome.turns.values())} turns, none lost or doubled; callers waited "
        f"{others.p95:.2f} s (p95), for Redis {redis.p95:.2f} s"
    )
