"""What leaves a task group when one of its tasks fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from statecharts.events import VoicechartError

__all__ = ["first_of_ours"]


@contextmanager
def first_of_ours() -> Iterator[None]:
    """Let the first `VoicechartError` out of a task group as itself.

    Not by `except*`: before Python 3.11.4 what is raised there comes out in a group again.
    """
    try:
        yield
    except ExceptionGroup as group:  # nothing is swallowed: what is not ours leaves as it came
        first: Exception | None = group.subgroup(VoicechartError)
        while isinstance(first, ExceptionGroup):
            first = first.exceptions[0]
        if first is None:
            raise
        raise first from None
