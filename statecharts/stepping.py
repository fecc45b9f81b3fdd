"""How a conversation takes one event: judge it, choose the edge, collect the effects."""

from __future__ import annotations

from functools import cache

from msgspec import Struct

from statecharts.context import Context
from statecharts.conversation import PARTS, ConversationChart
from statecharts.effects import Drop, Effect, SetMicGate, StateChanged
from statecharts.events import Event, RagAnswerReady, TimerFired
from statecharts.phrases import Phrases
from statecharts.policy import Policy
from statecharts.scene import Scene
from statecharts.table import Edge, Row, Table, declared

__all__ = ["TABLE", "RunningChart", "Snapshot", "chart_event"]

TABLE = Table(declared(ConversationChart), PARTS)
"""The conversation as it is run."""

_MIC_OPEN = frozenset({"LISTENING", "INTERRUPT", "THINKING"})
_POLICY, _PHRASES = Policy(), Phrases()


class Snapshot(Struct, frozen=True):
    """All there is to know to go on as if nothing had been."""

    state: str
    """`STATE.substate`."""
    context: Context


class RunningChart:
    """A conversation in running order.

    Feed it one event at a time with `step`; it returns the effects to carry out, in order. The same events always give
    the same effects.
    """

    __slots__ = ("_raised", "_scene", "_table", "parts", "path", "taken")

    def __init__(
        self,
        policy: Policy | None = None,
        phrases: Phrases | None = None,
        snapshot: Snapshot | None = None,
        table: Table = TABLE,
    ) -> None:
        self._scene = Scene(policy or _POLICY, phrases or _PHRASES, snapshot.context if snapshot else None)
        self._table = table
        self._raised: list[tuple[str, Event]] = []  # one at most: an empty deque has 0.7 KB
        self.parts: tuple[object, ...] = tuple(part(self._scene) for part in PARTS)
        self.path = snapshot.state if snapshot else table.declaration.start
        """`STATE.substate`."""
        self.taken: list[Edge] = []
        """The edges that the latest event took, in order; mostly one, none for one that was dropped."""

    @property
    def state(self) -> str:
        """The active state, as the user knows it."""
        return self.path.split(".")[0]

    @property
    def substate(self) -> str:
        """Where in that state."""
        return self.path.split(".")[1]

    @property
    def context(self) -> Context:
        """What is remembered beside the state; read it, do not write it."""
        return self._scene.context

    def snapshot(self) -> Snapshot:
        """Return all there is to know to go on, as if nothing had been, from a chart made with it."""
        return Snapshot(self.path, self._scene.context)

    def step(self, event: Event) -> list[Effect]:
        """Take one event to completion.

        Args:
            event: The next fact. One of an older turn, or a timer that does not run, is dropped, never acted on.

        Returns:
            Effects in the order they must be carried out. An event that leads nowhere gives exactly one `Drop`.
        """
        scene, name = self._scene, chart_event(event)
        scene.effects.clear()
        self.taken.clear()
        scene.context.now = max(scene.context.now, event.timestamp)
        reason = self._stale(event, name)
        if not reason:
            self._take(name, event)
            if not self.taken:
                reason = f"nothing to do about {name} in {self.path}"
        if reason:
            return [Drop(event.event_id, event.event_type, reason)]
        return list(scene.effects)

    def raise_(self, event: str, *, fact: Event) -> None:
        """Have this event judged in the same step, when the present one is done."""
        self._raised.append((event, fact))

    def _stale(self, event: Event, name: str) -> str:
        context = self._scene.context
        if isinstance(event, TimerFired):
            return self._scene.timers.took(event.name, context.now)
        cut = context.cut
        guessed = bool(context.guess) and event.turn == context.turn + 1
        reports_cut = cut is not None and cut.speech.turn == event.turn and name == "playback_done"
        if event.turn not in (0, context.turn) and not reports_cut and not guessed:
            return f"turn {event.turn} is not the current turn, {context.turn}"
        return ""

    def _take(self, name: str, event: Event) -> None:
        """Take the first edge that fits, and then those of the events it raised."""
        raised, parts = self._raised, self.parts
        raised.append((name, event))
        while raised:
            name, event = raised.pop(0)
            for row in self._table.candidates(self.path, name):
                if row.allows(parts, self, event):
                    self._follow(row, event)
                    break

    def _follow(self, row: Row, event: Event) -> None:
        for call in row.leaving:
            call(self.parts, self, event)
        for call in row.entering:
            call(self.parts, self, event)
        self._moved(row.edge, row.target)

    def _moved(self, edge: Edge, path: str) -> None:
        """Tell the world of a change of state, and whether the microphone is listened to now."""
        self.taken.append(edge)
        if not path:
            return
        old_path, old_state = self.path, self.state
        self.path = path
        context, state = self._scene.context, self.state
        data: dict[str, object] = {"text": context.user_text} if state == "THINKING" != old_state else {}
        if path != old_path or state == "THINKING":
            self._scene.emit(
                StateChanged(old_state, state, self.substate, edge.trigger, context.turn, context.now, data)
            )
        gate_open = state in _MIC_OPEN and self.substate != "filling"
        if gate_open != context.gate_open:
            context.gate_open = gate_open
            self._scene.emit(SetMicGate("open" if gate_open else "closed"))


def chart_event(event: Event) -> str:
    """Return the chart's name of a fact: a timer's own, `rag_complete` for the last sentence, else its type's."""
    if isinstance(event, TimerFired):
        return event.name
    if isinstance(event, RagAnswerReady) and event.is_final:
        return "rag_complete"
    return _name(event.event_type)


@cache
def _name(event_type: str) -> str:
    parts = event_type.split(".")
    return parts[2] if parts[1] in ("vad", "webrtc") else "_".join(parts[1:])
