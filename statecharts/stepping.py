"""How a conversation's chart takes one event: judge it, let the library choose the edge, collect the effects."""

from __future__ import annotations

from typing import TypeVar, cast

from msgspec import Struct
from statemachine import State, StateChart
from statemachine.orderedset import OrderedSet
from statemachine.transition import Transition

from statecharts.context import Context
from statecharts.effects import Drop, Effect, SetMicGate, StateChanged
from statecharts.events import Event, RagAnswerReady, TimerFired
from statecharts.scene import Scene

__all__ = ["Configuration", "Snapshot", "SteppedChart", "chart_event", "whole"]

_MIC_OPEN = frozenset({"LISTENING", "INTERRUPT", "THINKING"})
_T = TypeVar("_T")


def whole(state: type[_T]) -> State:
    """Return a compound state as what it is at run time, whichever of its substates is active."""
    return cast("State", state)


class Configuration:
    """Where the library keeps the active states."""

    state: object = None


class Snapshot(Struct, frozen=True):
    """All there is to know to go on as if nothing had been."""

    state: str
    """`STATE.substate`."""
    context: Context


class SteppedChart(StateChart[Configuration]):
    """A chart that is stepped: one event in, all its effects out."""

    catch_errors_as_events = False  # the library's default hides a failing action and takes the edge all the same
    allow_event_without_transition = True  # a late event is normal; step() reports it

    def __init__(self, scene: Scene, parts: list[object], path: str) -> None:
        self._scene = scene
        self._path = path
        self._used = False
        configuration = Configuration()
        # The library takes a given configuration as it is, without running entry actions again.
        configuration.state = OrderedSet(path.split("."))
        super().__init__(configuration, listeners=parts)

    @property
    def state(self) -> str:
        """The active state, as the user knows it."""
        return self._path.split(".")[0]

    @property
    def substate(self) -> str:
        """Where in that state."""
        return self._path.split(".")[1]

    @property
    def context(self) -> Context:
        """What is remembered beside the state; read it, do not write it."""
        return self._scene.context

    def snapshot(self) -> Snapshot:
        """Return all there is to know to go on, as if nothing had been, from a chart made with it."""
        return Snapshot(self._path, self._scene.context)

    def step(self, event: Event) -> list[Effect]:
        """Take one event to completion.

        Args:
            event: The next fact. One of an older turn, or a timer that does not run, is dropped, never acted on.

        Returns:
            Effects in the order they must be carried out. An event that leads nowhere gives exactly one `Drop`.
        """
        scene = self._scene
        scene.effects.clear()
        scene.context.now = max(scene.context.now, event.timestamp)
        reason = self._stale(event)
        if not reason:
            self._used = False
            self.send(chart_event(event), fact=event)
            reason = "" if self._used else f"nothing to do about {chart_event(event)} in {self._path}"
        if reason:
            return [Drop(event.event_id, event.event_type, reason)]
        return list(scene.effects)

    def _stale(self, event: Event) -> str:
        context = self._scene.context
        if isinstance(event, TimerFired):
            return self._scene.timers.took(event.name, context.now)
        cut = context.cut
        reports_cut = cut is not None and cut.speech.turn == event.turn and chart_event(event) == "playback_done"
        if event.turn not in (0, context.turn) and not reports_cut:
            return f"turn {event.turn} is not the current turn, {context.turn}"
        return ""

    def after_transition(self, transition: Transition) -> None:
        """Tell the world of a change of state, and whether the microphone is listened to now."""
        self._used = True
        if transition.target is None:
            return
        old_path, old_state = self._path, self.state
        self._path = ".".join(str(value) for value in self.configuration_values)
        context = self._scene.context
        trigger = str(list(transition.events)[-1])
        data: dict[str, object] = {"text": context.user_text} if self.state == "THINKING" != old_state else {}
        if self._path != old_path or self.state == "THINKING":
            self._scene.emit(
                StateChanged(old_state, self.state, self.substate, trigger, context.turn, context.now, data)
            )
        gate_open = self.state in _MIC_OPEN and self.substate != "filling"
        if gate_open != context.gate_open:
            context.gate_open = gate_open
            self._scene.emit(SetMicGate("open" if gate_open else "closed"))


def chart_event(event: Event) -> str:
    """Return the chart's name of a fact: a timer's own, `rag_complete` for the last sentence, else its type's."""
    if isinstance(event, TimerFired):
        return event.name
    if isinstance(event, RagAnswerReady) and event.is_final:
        return "rag_complete"
    parts = event.event_type.split(".")
    return parts[2] if parts[1] in ("vad", "webrtc") else "_".join(parts[1:])
