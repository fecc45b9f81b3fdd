"""Which situations a conversation may be in: what has to be true of its memory in each state."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache

from statecharts.stepping import Snapshot
from statecharts.timers import DEADLINES

__all__ = ["TIMER_HOMES", "unwatched", "what_is_forbidden"]

TIMER_HOMES: Mapping[str, tuple[str, ...]] = {
    "away": ("LISTENING.quiet",),
    "greeting": ("LISTENING.quiet",),
    "prompt": ("LISTENING.quiet",),
    "still_there": ("LISTENING.quiet",),
    "hearing_max": ("LISTENING.hearing",),
    "end_of_turn": ("LISTENING.settling", "THINKING.holding"),
    "final_wait": ("LISTENING.settling",),
    "answer_deadline": ("THINKING.*",),
    "intent_wait": ("THINKING.*",),
    "filler": ("THINKING.working",),
    "playback_deadline": ("SPEAKING.*", "INTERRUPT.ducked"),
    "barge_in_speech": ("THINKING.holding", "INTERRUPT.*"),
    "false_interruption": ("INTERRUPT.*",),
    "interrupt_max": ("THINKING.holding", "INTERRUPT.*"),
    "heard_wait": ("*",),
    "resume_wait": ("*",),
}
"""Where each timer may run. One that runs elsewhere was forgotten, and would do harm when it fires."""


def unwatched(at: Snapshot) -> str:
    """Return what is wrong with the deadline of this situation, if anything is."""
    context = at.context
    if at.state.startswith("IDLE"):
        return ""
    if context.detached:
        return "" if "resume_wait" in context.timers else f"no client in {at.state}, and nobody waits for one"
    if not set(DEADLINES[at.state]) & set(context.timers):
        return f"{at.state} has no deadline: only {sorted(context.timers) or 'nothing'} runs"
    return ""


def what_is_forbidden(at: Snapshot) -> str:
    """Return why a conversation may never be in this situation; empty if it may."""
    return _of_timers(at) or _of_speech(at) or _of_turn(at)


def _of_timers(at: Snapshot) -> str:
    context = at.context
    for name in (*context.timers, *context.frozen):
        if not _at_home(name, at.state):
            return f"the timer {name} runs in {at.state}"
    running = {*context.timers, *context.frozen}
    if ("heard_wait" in running) != (context.cut is not None):
        return f"heard_wait runs: {'heard_wait' in running}; a report is awaited: {context.cut is not None}"
    if ("resume_wait" in context.timers) != context.detached:
        return f"resume_wait runs: {'resume_wait' in context.timers}; the client is gone: {context.detached}"
    if context.detached and set(context.timers) != {"resume_wait"}:
        return f"no client is there, and yet {sorted(context.timers)} run"
    if context.frozen and not context.detached:
        return f"a client is there, and yet {sorted(context.frozen)} stand still"
    return ""


@cache
def _at_home(timer: str, state: str) -> bool:
    return any(fnmatchcase(state, home) for home in TIMER_HOMES[timer])


def _of_speech(at: Snapshot) -> str:
    if at.state.startswith(("SPEAKING", "INTERRUPT")):
        return _of_audible(at)
    context, speech = at.context, at.context.speech
    if speech is None:
        return ""
    if speech.started_at:
        return f"audio of ours plays in {at.state}, where nobody watches it"
    unasked = speech.kind in ("greeting", "prompt", "apology") and at.state == "LISTENING.quiet"
    guess = bool(context.guess) and speech.turn == context.turn + 1
    if not at.state.startswith("THINKING") and not unasked and not guess:
        return f"something is to be said in {at.state}"
    return ""


def _of_audible(at: Snapshot) -> str:
    context, speech = at.context, at.context.speech
    inner = at.state.split(".")[1]
    if speech is None or not speech.started_at:
        return f"{at.state} without audio of ours"
    if inner == "draining" and not speech.synthesised:
        return "SPEAKING.draining while audio is still to come"
    if inner == "streaming" and speech.synthesised:
        return "SPEAKING.streaming though all audio was sent"
    if speech.kind == "answer" and context.sentences:
        return f"sentences of the answer are kept back in {at.state}"
    if bool(speech.paused_at) != (inner == "paused" or context.detached):
        return f"our voice is {'paused' if speech.paused_at else 'not paused'} in {at.state}"
    return f"a filler is taken for speech in {at.state}" if speech.kind == "filler" else ""


def _of_thinking(at: Snapshot) -> str:
    context = at.context
    if not context.turn_open:
        return f"{at.state} without a turn"
    if context.late and "filler" in context.timers:
        return "a filler is still to come, behind the apology"
    if at.state == "THINKING.holding" or context.intent != "question":
        return ""
    if context.sentences:
        return f"sentences of the answer are kept back in {at.state}"
    if context.retrieved and context.speech is None:
        return f"there is nothing to say, and it is waited for in {at.state}"
    return ""


def _of_turn(at: Snapshot) -> str:
    context = at.context
    outer = at.state.split(".")[0]
    speaks_in_turn = context.speech is not None and context.speech.kind in ("answer", "apology")
    if outer == "THINKING" and (wrong := _of_thinking(at)):
        return wrong
    if context.guess and at.state != "LISTENING.settling":
        return f"something is guessed in {at.state}"
    if outer in ("IDLE", "LISTENING") and context.turn_open:
        return f"turn {context.turn} is still open in {at.state}"
    if outer in ("SPEAKING", "INTERRUPT") and speaks_in_turn and context.speech is not None:
        answers_now = context.speech.turn == context.turn
        if context.turn_open and not answers_now:
            return f"the speech of turn {context.speech.turn} is heard while turn {context.turn} is open"
    if at.state == "IDLE.ended" and (context.connected or context.detached or context.voice_on or context.cut):
        return "something is left of a conversation that has ended"
    return ""
