"""Which processes there are below one, and whether they are gone."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

__all__ = ["all_gone", "children"]


def children(pid: int) -> list[int]:
    """Every process below one, however deep."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True, check=True).stdout
    parents = {int(line.split()[0]): int(line.split()[1]) for line in listed.splitlines()[1:]}
    found = [pid]
    for child, parent in sorted(parents.items()):
        if parent in found:
            found.append(child)
    return found[1:]


def all_gone(pids: list[int], within_s: float) -> bool:
    """Wait until none of them runs; return whether that came."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        running = [pid for pid in pids if Path(f"/proc/{pid}").exists() and not _zombie(pid)]
        if not running:
            return True
        time.sleep(0.05)
    return False


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True
