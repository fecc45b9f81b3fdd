"""The conversation run by python-statemachine itself: what `stepping.RunningChart` is held against.

Forty times slower, and the definition: where the two differ, the table is wrong.
"""

from __future__ import annotations

from statemachine.orderedset import OrderedSet
from statemachine.transition import Transition

from statecharts.conversation import ConversationChart
from statecharts.events import Event
from statecharts.phrases import Phrases
from statecharts.policy import Policy
from statecharts.stepping import RunningChart, Snapshot
from statecharts.table import edges

__all__ = ["LibraryChart"]


class _Configuration:
    """Where the library keeps the active states."""

    state: object = None


class _Watched(ConversationChart):
    """The chart, telling whoever runs it of each transition."""

    def __init__(self, runner: LibraryChart) -> None:
        self._runner = runner
        configuration = _Configuration()
        # The library takes a given configuration as it is, without running entry actions again.
        configuration.state = OrderedSet(runner.path.split("."))
        super().__init__(configuration, listeners=list(runner.parts))

    def after_transition(self, transition: Transition) -> None:
        """Note where it led."""
        moved = transition.target is not None
        self._runner.moved(transition, ".".join(str(value) for value in self.configuration_values) if moved else "")


class LibraryChart(RunningChart):
    """A conversation whose edges are chosen and taken by the library."""

    def __init__(
        self, policy: Policy | None = None, phrases: Phrases | None = None, snapshot: Snapshot | None = None
    ) -> None:
        super().__init__(policy, phrases, snapshot)
        self._chart = _Watched(self)

    def moved(self, transition: Transition, path: str) -> None:
        """Note a transition that was taken."""
        self._moved(_EDGES[transition], path)

    def raise_(self, event: str, *, fact: Event) -> None:
        """Never called: the library hands its own machine to the actions."""
        self._chart.raise_(event, fact=fact)

    def _take(self, name: str, event: Event) -> None:
        self._chart.send(name, fact=event)


_EDGES = edges(_Watched)
