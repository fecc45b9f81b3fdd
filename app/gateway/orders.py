"""Which commands for a session count: none of an owner that is no more, and no fact's a second time."""

from __future__ import annotations

from collections import deque

from adapters.bus.port import Command

__all__ = ["Orders"]

REMEMBERED = 64
"""Facts of a session whose commands are known again: those of some seconds, longer than a failover takes."""


class Orders:
    """What was obeyed of one session's commands.

    A commit happens once, but where servers fail over, one that was heard of may be lost, and be made anew.
    """

    def __init__(self) -> None:
        self.epoch = 0
        """Of the command that was obeyed last."""
        self._facts: deque[str] = deque(maxlen=REMEMBERED)

    def takes(self, command: Command) -> bool:
        """Return whether a command is to be obeyed, and note that it is."""
        if command.epoch < self.epoch:
            return False
        self.epoch = command.epoch
        if command.event_id and command.event_id in self._facts:
            return False
        self._facts.append(command.event_id)
        return True
