"""Time as facts and requests: a timer is started by an effect and comes back as an event.

The policy holds how long each runs; nothing in this room ever waits.
"""

from __future__ import annotations

from collections.abc import Mapping

from statecharts.context import Context
from statecharts.effects import CancelTimer, Effect, StartTimer

__all__ = ["DEADLINES", "EARLY_S", "TIMERS", "Timers"]

TIMERS: Mapping[str, str] = {
    "away": "away_s",
    "greeting": "greeting_after_s",
    "prompt": "prompt_after_s",
    "still_there": "still_there_s",
    "hearing_max": "hearing_max_s",
    "end_of_turn": "end_of_turn_s",
    "final_wait": "final_wait_s",
    "answer_deadline": "answer_deadline_s",
    "intent_wait": "intent_wait_s",
    "filler": "filler_after_s",
    "playback_deadline": "playout_margin_s",
    "barge_in_speech": "barge_in_speech_s",
    "false_interruption": "false_interruption_s",
    "interrupt_max": "interrupt_max_s",
    "heard_wait": "heard_wait_s",
    "resume_wait": "resume_s",
}
"""Every timer there is, and the field of the policy that says how long it runs."""

DEADLINES: Mapping[str, tuple[str, ...]] = {
    "LISTENING.quiet": ("away",),
    "LISTENING.hearing": ("hearing_max",),
    "LISTENING.settling": ("end_of_turn", "final_wait"),
    "THINKING.working": ("answer_deadline",),
    "THINKING.holding": ("interrupt_max",),
    "THINKING.filling": ("answer_deadline",),
    "SPEAKING.streaming": ("playback_deadline",),
    "SPEAKING.draining": ("playback_deadline",),
    "INTERRUPT.ducked": ("interrupt_max",),
    "INTERRUPT.paused": ("interrupt_max",),
}
"""For each substate in which somebody waits, the timers of which one runs, so that none is a trap. While no client is
there they stand still, and `resume_wait` runs instead."""


EARLY_S = 0.001
"""A timer may fire this much before it is due: clocks are rounded on their way."""


class Timers:
    """The running timers of one conversation."""

    __slots__ = ("_context", "_effects")

    def __init__(self, context: Context, effects: list[Effect]) -> None:
        self._context = context
        self._effects = effects

    def start(self, name: str, delay_s: float) -> None:
        """Let `name` fire after `delay_s` seconds, anew if it runs; while no client is there it stands still."""
        delay_s = max(0.0, delay_s)
        if self._context.detached:
            self._context.frozen[name] = delay_s
            return
        self._context.timers[name] = self._context.now + delay_s
        self._effects.append(StartTimer(name, delay_s))

    def cancel(self, *names: str) -> None:
        """Let these timers not fire; those that do not run are no matter."""
        for name in names:
            self._context.frozen.pop(name, None)
            if self._context.timers.pop(name, None) is not None:
                self._effects.append(CancelTimer(name))

    def cancel_all(self) -> None:
        """Let none fire."""
        self.cancel(*sorted(self._context.timers))
        self._context.frozen.clear()

    def freeze(self) -> None:
        """Let all stand still."""
        left = {name: max(0.0, due - self._context.now) for name, due in sorted(self._context.timers.items())}
        self.cancel(*left)
        self._context.frozen.update(left)

    def thaw(self) -> None:
        """Let those that stood still run on."""
        left = dict(self._context.frozen)
        self._context.frozen.clear()
        for name, delay_s in left.items():
            self.start(name, delay_s)

    def took(self, name: str, at: float) -> str:
        """Note that `name` fired at `at`; return why it must not be heeded, or an empty string."""
        due = self._context.timers.get(name)
        if due is None:
            return f"timer {name} does not run"
        if at < due - EARLY_S:
            return f"timer {name} was started anew since"
        del self._context.timers[name]
        return ""
