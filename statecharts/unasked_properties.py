"""What always holds of what we say of our own accord: fillers, greeting, prompts, apologies."""

from __future__ import annotations

from statecharts.effects import Speak, TurnBegan
from statecharts.events import Connected
from statecharts.machine import Step
from statecharts.proving import Run, along, always
from statecharts.stepping import Snapshot

_At = Step[Snapshot]
_UNASKED = ("greeting", "prompt")


@always(concerns=("THINKING.*", "filler", "filler_wanted", "say_filler", "tts_*"))
def a_filler_is_never_heard_after_the_answer(step: _At) -> str | None:
    """A filler is asked for only while nothing else of the turn is with the voice, so none follows the first sound."""
    for effect in step.asked(Speak):
        if effect.kind == "filler" and (step.before.state != "THINKING.working" or step.before.context.speech):
            return f"the filler {effect.text!r} was asked for in {step.before.state}, behind something else"
    return None


@along(concerns=("filler", "filler_wanted", "say_filler"))
def no_filler_is_said_twice_in_a_row(run: Run[Snapshot]) -> str | None:
    """There is one filler a turn at most, and it is never the one that was said last."""
    last, last_turn = "", -1
    for step in run.steps:
        for effect in step.asked(Speak):
            if effect.kind == "filler":
                if effect.text == last or effect.turn == last_turn:
                    return f"after {last!r} in turn {last_turn} came {effect.text!r} in turn {effect.turn}"
                last, last_turn = effect.text, effect.turn
    return None


@always(concerns=("LISTENING.quiet", "greeting", "prompt", "still_there", "greet", "offer_floor", "ask_still_there"))
def nothing_is_said_unasked_but_to_a_quiet_caller(step: _At) -> str | None:
    """Greeting and prompts are said while LISTENING.quiet, one at a time, and prompts as often as agreed upon."""
    before, after = step.before.context, step.after.context
    for effect in step.asked(Speak):
        if effect.again:
            continue  # for another voice
        if effect.kind in _UNASKED and (step.before.state != "LISTENING.quiet" or before.speech is not None):
            return f"the {effect.kind} {effect.text!r} was said in {step.before.state}, or over something else"
        if effect.kind == "prompt" and not 0 <= after.prompts_left < before.prompts_left and before.asked_there:
            return f"the prompt {effect.text!r} is one too many"
    return None


@along(concerns=("greeting", "connected", "await_greeting", "greet"))
def a_caller_is_greeted_once(run: Run[Snapshot]) -> str | None:
    """There is one greeting at most for each time that somebody connects."""
    greeted = False
    for step in run.steps:
        if isinstance(step.move.fact, Connected) and step.taken and step.before.state in ("IDLE.new", "IDLE.ended"):
            greeted = False
        for effect in step.asked(Speak):
            if effect.kind == "greeting" and not effect.again:
                if greeted:
                    return f"greeted again with {effect.text!r}"
                greeted = True
    return None


@always(concerns=("stt_failed", "ask_again", "rag_failed", "answer_deadline", "apologise"))
def an_apology_has_a_reason(step: _At) -> str | None:
    """We apologise for a failure or for being late, and for nothing else; no turn begins in the same step."""
    if not any(effect.kind == "apology" and not effect.again for effect in step.asked(Speak)):
        return None
    known = ("stt_failed", "rag_failed", "answer_deadline")
    if step.move.event not in known or step.asked(TurnBegan):
        return f"an apology for {step.move.event}"
    return None
