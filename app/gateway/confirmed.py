"""How much of our speech the client has told that it played, across the connections of one call."""

from __future__ import annotations

import msgspec

from statecharts.events import PlaybackDone, PlaybackProgress, PlaybackStarted

__all__ = ["Confirmed", "Report"]

Report = PlaybackStarted | PlaybackProgress | PlaybackDone

RECOUNT_S = 0.1
"""A report so far behind what was told before the client went away is a count begun anew: players do not go back."""


class Confirmed:
    """The client's last word on what it played."""

    def __init__(self) -> None:
        self._turn = 0
        self._played_s = 0.0
        self._resumed_turn = 0
        self._resumed_s = 0.0
        self._counts_anew = False

    def played_s(self, turn: int) -> float:
        """Return how many seconds of this turn were confirmed."""
        return self._played_s if turn == self._turn else 0.0

    def note(self, report: Report) -> Report:
        """Note a report and return it, in seconds of the whole turn.

        A client that lost its count with its connection counts what it was sent since: that follows what it had
        confirmed before.
        """
        if report.played_s is None:
            return report
        if report.turn == self._resumed_turn and not isinstance(report, PlaybackStarted):
            self._counts_anew = self._counts_anew or report.played_s < self._resumed_s - RECOUNT_S
            if self._counts_anew:
                report = msgspec.structs.replace(report, played_s=report.played_s + self._resumed_s)
        if report.turn != self._turn or not isinstance(report, PlaybackStarted):
            self._turn, self._played_s = report.turn, report.played_s or 0.0
        return report

    def inherit(self, turn: int, played_s: float) -> None:
        """Another gateway was told that so much of a turn was played; the client gets what follows."""
        self._turn, self._played_s = turn, played_s
        self.resume()

    def resume(self) -> None:
        """A client is there anew; it gets what follows the confirmed seconds."""
        self._resumed_turn, self._resumed_s, self._counts_anew = self._turn, self._played_s, False
