"""A program that is guarded ends with whoever started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from adapters.guardian import guarded
from tests.processes import all_gone, children

_STARTER = """
import subprocess, sys, time
from adapters.guardian import guarded
program = subprocess.Popen(guarded([sys.executable, "-c", "import time; time.sleep(60)"]), stdin=subprocess.PIPE)
print("started", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_us_ends_the_program(number: signal.Signals) -> None:
    starter = subprocess.Popen([sys.executable, "-c", _STARTER], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    assert starter.stdout.readline() == "started\n"
    while len(below := children(starter.pid)) < 2:
        time.sleep(0.02)
    starter.send_signal(number)
    starter.wait(5.0)
    starter.stdout.close()
    assert all_gone(below, 5.0)


def test_its_exit_code_is_passed_on() -> None:
    command = guarded([sys.executable, "-c", "raise SystemExit(7)"])
    with subprocess.Popen(command, stdin=subprocess.PIPE) as guardian:
        assert guardian.wait(10.0) == 7


def test_it_is_started_again_if_that_is_wanted(tmp_path: Path) -> None:
    note = "import os, sys, time; open(sys.argv[1], 'a').write(f'{os.getpid()} '); time.sleep(60)"
    noted = tmp_path / "noted"
    command = guarded([sys.executable, "-c", note, str(noted)], again=True)
    with subprocess.Popen(command, stdin=subprocess.PIPE) as guardian:
        for wanted in (1, 2):
            while not noted.exists() or len(noted.read_text().split()) < wanted:
                time.sleep(0.02)
            if wanted == 1:
                time.sleep(1.1)
                os.kill(int(noted.read_text()), signal.SIGKILL)
    pids = [int(pid) for pid in noted.read_text().split()]
    assert all_gone(pids, 5.0)
    assert guardian.returncode == 0
