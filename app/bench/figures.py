"""What every benchmark says of its numbers: how many, how they lie, and on which machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from msgspec import Struct
from msgspec.structs import replace

from app.caller.report import percentile

__all__ = ["Figures", "Machine", "figures_of", "machine_after", "machine_before", "spread"]


class Machine(Struct, frozen=True, kw_only=True):
    """Where the numbers come from."""

    cores: int
    processor: str = ""
    system: str
    python: str
    load_before: float
    """Load average over one minute: what else ran."""
    load_after: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.cores} cores, {self.processor or 'unknown processor'}, {self.system}, Python {self.python}, "
            f"load {self.load_before} before and {self.load_after} after"
        )


class Figures(Struct, frozen=True, kw_only=True):
    """Many measurements of one thing."""

    n: int
    median: float
    p95: float


def machine_before() -> Machine:
    """Describe this machine as a benchmark begins."""
    return Machine(
        cores=os.cpu_count() or 1,
        processor=_processor(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        load_before=round(os.getloadavg()[0], 2),
    )


def _processor() -> str:
    """Return what the processor calls itself, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def machine_after(before: Machine) -> Machine:
    """Add how busy it is as the benchmark ends."""
    return replace(before, load_after=round(os.getloadavg()[0], 2))


def figures_of(values: Sequence[float]) -> Figures:
    """Return count, median and 95th percentile (nearest rank) of at least one value."""
    return Figures(n=len(values), median=round(median(values), 4), p95=round(percentile(values, 0.95), 4))


def spread(seconds: Sequence[float]) -> tuple[float, float, float]:
    """Return median, 95th and 99th percentile in milliseconds."""
    median_s, p95_s, p99_s = (percentile(seconds, share) for share in (0.5, 0.95, 0.99))
    return round(median_s * 1000, 3), round(p95_s * 1000, 3), round(p99_s * 1000, 3)
