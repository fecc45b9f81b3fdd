"""An event loop on virtual time: when nothing is ready it jumps to the next timer instead of waiting."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import TypeVar

__all__ = ["EPOCH_S", "NothingLeft", "VirtualLoop", "run"]

EPOCH_S = 1_000_000_000.0
"""Unix time at which virtual time is 0: any, but no call of its own time may be 0, which means "not yet"."""

TICK_S = 1e-9
"""What one round of the loop takes: with none at all, code that waits for the last bit of a float waits for ever."""

_T = TypeVar("_T")


class NothingLeft(Exception):
    """Everything waits for something that cannot happen any more: a mistake in what was run."""


class _Jump(selectors.BaseSelector):
    """Waits for nothing: a wait moves the clock. No file is ever ready, for nothing here reads one."""

    def __init__(self) -> None:
        self.now = 0.0
        self._keys: dict[object, selectors.SelectorKey] = {}

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise NothingLeft("no timer runs and nothing is ready")
        self.now += max(TICK_S, timeout)
        return []

    def register(self, fileobj: object, events: int, data: object = None) -> selectors.SelectorKey:
        key = selectors.SelectorKey(fileobj, 0, events, data)  # type: ignore[arg-type]  # kept, never read
        self._keys[fileobj] = key
        return key

    def unregister(self, fileobj: object) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def get_map(self) -> Mapping[object, selectors.SelectorKey]:  # type: ignore[override]
        return self._keys


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's loop, whose clock all but stands still while something is ready; it starts at 0, without threads."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        """Return the seconds since this loop was made."""
        return self._jump.now

    def unix_time(self) -> float:
        """Return the time as the call code stamps it."""
        return EPOCH_S + self._jump.now


def run(main: Coroutine[object, object, _T]) -> _T:
    """Run to the end on a virtual loop of its own, as fast as the machine can."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
