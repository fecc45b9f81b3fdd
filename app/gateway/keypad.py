"""The keys of a telephone: what is pressed becomes typed text."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from statecharts.events import Event, KeyPressed, SttFinal

__all__ = ["PAUSE_S", "Keypad"]

PAUSE_S = 2.0
"""Quiet after the last key that ends what is entered; a # ends it at once. Callers look for the next key for a second
or so."""


class Keypad:
    """Collects the keys of one caller.

    Args:
        publish: Takes each fact, in order.
    """

    def __init__(self, publish: Callable[[Event], None]) -> None:
        self._publish = publish
        self._keys = ""
        self._pause: asyncio.TimerHandle | None = None

    def press(self, keys: str) -> None:
        """Take keys; the first one stops our voice."""
        is_first = not self._keys
        for key in keys:
            self._keys += key
            if key == "#":
                self.flush()
        self._stop_waiting()
        if self._keys:
            if is_first:
                self._publish(KeyPressed())
            self._pause = asyncio.get_running_loop().call_later(PAUSE_S, self.flush)

    def flush(self) -> None:
        """What was entered is all: tell it."""
        keys = self._keys
        self.forget()
        if keys:
            self._publish(SttFinal(text=f"DTMF: {keys}", confidence=1.0, origin="typed"))

    def forget(self) -> None:
        """Nobody wants to know any more."""
        self._stop_waiting()
        self._keys = ""

    def _stop_waiting(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
