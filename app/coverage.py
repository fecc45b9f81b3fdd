"""Which edges of a chart recorded calls took, or a test run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from app.replay.call_log import BadLog
from app.replay.refold import refold
from app.replay.sources import Place, read_logs
from diagrams.coverage import Coverage, CoverageFile
from diagrams.model import ChartModel
from statecharts.phrases import Phrases
from statecharts.policy import Policy

__all__ = ["covered"]

_MARK = b'"voicechart_coverage"'


def covered(
    words: Sequence[str], model: ChartModel, place: Place, untold: tuple[Policy, Phrases], tell: Callable[[str], None]
) -> Coverage:
    """Return what was taken in all of these together.

    Args:
        words: Files that a test run wrote (`VOICECHART_COVERAGE`), logs of calls, folders of logs, sessions.
        model: The chart.
        place: Where sessions are looked up.
        untold: The rules to take where a log does not say.
        tell: Told what takes a while.

    Raises:
        BadLog: A file is neither, or of another chart; the message says what to do.
    """
    taken: Counter[str] = Counter()
    runs = [run for word in words if (run := _run(Path(word), model)) is not None]
    for run in runs:
        taken.update(run.taken)
    logs = read_logs([word for word in words if _run(Path(word), model) is None], place, tell)
    if logs and model.name != "ConversationChart":
        raise BadLog(f"a call is of the conversation, not of {model.name}: pass what a test run of {model.name} wrote")
    for log in logs:
        # Its events go through today's chart again: which edges were taken then is not written in a log.
        for item in refold(log, untold):
            if item.folded.status == "accepted":
                taken.update(map(str, item.conversation.chart.taken))
    counts = ((len(logs), "call"), (len(runs), "test run"))
    told = [f"{count} {name}{'s' * (count != 1)}" for count, name in counts if count]
    return Coverage(model=model, taken=dict(sorted(taken.items())), source=" and ".join(told))


def _run(path: Path, model: ChartModel) -> CoverageFile | None:
    """Return what a test run wrote; None if the file is something else."""
    try:
        with path.open("rb") as file:
            head = file.read(200)
            data = head + file.read() if _MARK in head else b""
    except OSError:
        return None
    if not data:
        return None
    try:
        run = msgspec.json.decode(data, type=CoverageFile)
    except msgspec.DecodeError as error:
        raise BadLog(
            f"{path} cannot be read: {error}. Write it again: VOICECHART_COVERAGE={path} ./run test"
        ) from error
    if run.chart != model.name:
        raise BadLog(f"{path} tells of {run.chart}, not of {model.name}; pass --chart for another one")
    return run
