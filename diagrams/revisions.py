"""A chart as it was at a git revision.

Its declaration is read, by today's reader, from the files of that revision: they are unpacked into a folder of their
own, and a process of its own imports the chart from there. The drawings committed with a revision would be quicker,
but they say what somebody remembered to render, in the form of their day: two forms cannot be compared, and a stale
one would lie. What the chart's actions ask for is read from that revision's source in the same way.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import msgspec

from diagrams.model import ChartModel
from statecharts.events import VoicechartError

__all__ = ["NoSuchChart", "model_at"]

_TIMEOUT_S = 60.0
_ROOT = Path(__file__).parents[1]

_READ = """
import importlib.util, sys
today, then, chart = sys.argv[1:]
sys.path.insert(0, today)
import diagrams
sys.path.insert(0, then)
import statecharts  # that revision's; only the reader is today's
spec = importlib.util.spec_from_file_location("statecharts.table", today + "/statecharts/table.py")
sys.modules["statecharts.table"] = statecharts.table = table = importlib.util.module_from_spec(spec)
spec.loader.exec_module(table)
import msgspec
from diagrams.load import model_of
sys.stdout.buffer.write(msgspec.json.encode(model_of(chart)))
"""


class NoSuchChart(VoicechartError):
    """There is no such revision, or no chart in it that can be read."""


def model_at(revision: str, chart: str = "") -> ChartModel:
    """Return the model of a chart at a revision of the repository it lies in.

    Args:
        revision: Anything git understands.
        chart: The import path of a chart below the current folder; empty: the conversation.

    Raises:
        NoSuchChart: It cannot be read; the message says why.
    """
    folder = Path.cwd() if chart else _ROOT
    root = Path(_git(folder, "rev-parse", "--show-toplevel").decode().strip())
    commit = _commit(folder, revision)
    with tempfile.TemporaryDirectory(prefix="voicechart-") as name:
        with tarfile.open(fileobj=io.BytesIO(_git(root, "archive", "--format=tar", commit))) as archive:
            if hasattr(tarfile, "data_filter"):  # from Python 3.11.4 on; the archive is our own repository's
                archive.extraction_filter = tarfile.data_filter
            archive.extractall(name)  # noqa: S202
        return _read(Path(name) / folder.resolve().relative_to(root.resolve()), revision, chart)


def _read(then: Path, revision: str, chart: str) -> ChartModel:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(_ROOT), str(then), chart],
        cwd=then, env=environment, capture_output=True, check=False, timeout=_TIMEOUT_S,
    )  # fmt: skip
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise NoSuchChart(f"the chart of {revision} cannot be read: {''.join(last)}")
    return msgspec.json.decode(done.stdout, type=ChartModel)


def _commit(folder: Path, revision: str) -> str:
    try:
        found = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    except NoSuchChart as error:
        raise NoSuchChart(f"there is no revision {revision!r} in {folder}; `git log --oneline` lists them") from error
    return found.decode().strip()


def _git(folder: Path, *arguments: str) -> bytes:
    git = shutil.which("git")
    if git is None:
        raise NoSuchChart("git is not installed, and revisions are read with it")
    done = subprocess.run([git, "-C", str(folder), *arguments], capture_output=True, check=False, timeout=_TIMEOUT_S)
    if done.returncode:
        raise NoSuchChart(f"{folder} is no git repository: {done.stderr.decode(errors='replace').strip()[:200]}")
    return done.stdout
