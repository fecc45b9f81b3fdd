"""What always holds of a conversation, each in a sentence.

`./run verify` tries to break them: these here, those about our voice (`voice_properties`), about what we say unasked
(`unasked_properties`) and about the caller (`caller_properties`) in every situation there is (`exploration`), those
about whole conversations (`histories`) along random ones, with real times, words and counts.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from statecharts import caller_properties, histories, unasked_properties, voice_properties
from statecharts.effects import (
    CancelSpeech,
    CancelTasks,
    CancelTimer,
    Drop,
    EndSession,
    Playout,
    RequestAnswer,
    RequestIntent,
    SetMicGate,
    Speak,
    Speculated,
    StartTimer,
    StateChanged,
    TurnBegan,
    TurnEnded,
)
from statecharts.events import RagAnswerReady, RagFailed
from statecharts.exploration import Exploration
from statecharts.machine import Machine, Step
from statecharts.proving import Finding, always, overall, properties_of
from statecharts.situations import unwatched, what_is_forbidden
from statecharts.stepping import Snapshot
from statecharts.timers import EARLY_S

__all__ = ["PROPERTIES"]

_At = Step[Snapshot]
_HOME = ("IDLE", "LISTENING")


# --- never stuck


@always(concerns=("*_deadline", "*_max", "*_wait", "end_of_turn", "away"))
def somebody_is_always_waited_for_with_a_deadline(step: _At) -> str:
    """In every state but IDLE a timer runs that ends the waiting."""
    return unwatched(step.after)


@overall(concerns=("*_deadline", "*_max", "*_wait", "end_of_turn", "away"))
def the_floor_comes_back_by_itself(exploration: Exploration[Snapshot], machine: Machine[Snapshot]) -> Iterator[Finding]:
    """If nobody does anything more, the timers alone lead back to LISTENING or IDLE, whichever of them fires first."""
    safe = {n for n, found in enumerate(exploration.found) if found.at.state.startswith(_HOME)}
    waiting = [n for n in range(len(exploration.found)) if n not in safe]
    # A situation is safe once every timer that may fire there leads to a safe one: backwards from home.
    while waiting:
        still = [n for n in waiting if not exploration.found[n].by_time <= safe or not exploration.found[n].by_time]
        if len(still) == len(waiting):
            first = still[0]
            yield Finding(f"from {exploration.found[first].at.state} the timers need never lead back", first)
            return
        safe.update(set(waiting) - set(still))
        waiting = still


@always(dropped=True, concerns=("*_deadline", "*_max", "*_wait", "*_speech", "end_of_turn", "away", "filler"))
def a_timer_that_runs_out_is_heeded(step: _At) -> str | None:
    """A timer that was started and runs out leads to something."""
    return (
        f"{step.move.event} ran out in {step.before.state}, and nothing came of it"
        if (step.move.of_time and not step.taken)
        else None
    )


@always
def every_started_timer_is_fired_or_cancelled(step: _At) -> str | None:
    """The timers that run are those that were started and have neither fired nor been cancelled."""
    running, known, now = dict(step.before.context.timers), step.after.context.timers, step.after.context.now
    if step.move.of_time:
        running.pop(step.move.event, None)
    for effect in step.effects:
        if isinstance(effect, StartTimer):
            running[effect.name] = now + effect.delay_s
        elif isinstance(effect, CancelTimer):
            running.pop(effect.name, None)
    if running.keys() != known.keys():
        return f"the world has {sorted(running)} running, the chart {sorted(known)}"
    wrong = [name for name, due in running.items() if abs(due - known[name]) > EARLY_S]
    return f"the world and the chart wait for {wrong} until different times" if wrong else None


@always(concerns=("connected", "attach"))
def what_stood_still_goes_on(step: _At) -> str | None:
    """When a client comes back, every timer that stood still without it runs again."""
    back = step.before.context.detached and not step.after.context.detached and step.move.event == "connected"
    lost = set(step.before.context.frozen) - set(step.after.context.timers)
    return f"{sorted(lost)} stood still, and {'is' if len(lost) == 1 else 'are'} forgotten" if back and lost else None


# --- never a lie


@always
def no_situation_is_forbidden(step: _At) -> str:
    """Whatever comes, twice or in any order: state, memory and timers agree with each other."""
    return what_is_forbidden(step.after)


@always(concerns=("LISTENING.*", "THINKING.*", "INTERRUPT.*", "SPEAKING.*", "IDLE.*"))
def the_mic_gate_agrees_with_the_state(step: _At) -> str | None:
    """The microphone is open while LISTENING, THINKING and INTERRUPT, and closed otherwise and during a filler."""
    is_open = step.before.context.gate_open
    for effect in step.asked(SetMicGate):
        is_open = effect.gate == "open"
    outer, inner = step.after.state.split(".")
    due = outer in ("LISTENING", "THINKING", "INTERRUPT") and inner != "filling"
    return None if is_open == due else f"the gate is {'open' if is_open else 'closed'} in {step.after.state}"


@always
def every_change_of_state_is_told(step: _At) -> str | None:
    """Whoever follows the told changes is always in the state in which the chart is."""
    at = step.before.state.split(".")[0]
    for change in step.asked(StateChanged):
        if change.old_state != at:
            return f"told a change from {change.old_state} while in {at}"
        at = change.new_state
    told = step.asked(StateChanged)
    path = f"{told[-1].new_state}.{told[-1].substate}" if told else step.before.state
    return None if path == step.after.state else f"told {path}, and is in {step.after.state}"


@always(dropped=True)
def a_dropped_event_changes_nothing(step: _At) -> str | None:
    """An event is taken, or dropped with a reason and without a trace."""
    drops = step.asked(Drop)
    if step.taken:
        return "taken, and yet told as dropped" if drops else None
    if len(step.effects) != 1 or not drops or not drops[0].reason:
        return f"dropped, but with the effects {list(step.effects)}"
    before, after = step.before.context, step.after.context
    same = msgspec.structs.replace(after, now=before.now)
    if step.move.of_time:
        return None  # `a_timer_that_runs_out_is_heeded` tells of it
    return None if same == before and step.after.state == step.before.state else "dropped, but something is different"


# --- one turn at a time


@always(concerns=("tts_*", "rag_*", "playback_*", "ready_for_next", "withdrawn", "resumed", "stt_final"))
def nothing_of_an_older_turn_is_heard(step: _At) -> str | None:
    """What is asked for, said or played on belongs to the current turn."""
    turn = step.after.context.turn
    for effect in step.effects:
        guessed = getattr(effect, "speculative", False)
        if isinstance(effect, (Speak, RequestAnswer, RequestIntent)) and effect.turn != turn + guessed:
            return f"{type(effect).__name__} of turn {effect.turn} in turn {turn}"
        if isinstance(effect, Playout) and effect.action != "stop" and effect.turn != turn:
            return f"playout {effect.action} of turn {effect.turn} in turn {turn}"
    return None


@always(concerns=("THINKING", "THINKING.*", "stt_final", "rag_*", "speak"))
def a_turn_is_answered_once(step: _At) -> str | None:
    """Each turn is asked for once, and once its answer is whole no other answer to it begins."""
    before, after = step.before.context, step.after.context
    if not step.effects and after.turn == before.turn:
        return None
    questions = [effect.turn for effect in step.asked(RequestAnswer) if not effect.speculative]
    questions += [effect.turn for effect in step.asked(Speculated) if effect.hit]
    began = [effect.turn for effect in step.asked(TurnBegan)]
    last_words = step.after.state == "IDLE.ended"  # those said just before the end are written down, not answered
    grown = list(range(before.turn + 1, after.turn + 1))
    if not last_words and not (questions == began and began + _beside_the_turns(step) == grown):
        return f"turn {before.turn} became {after.turn} with the questions {questions}"
    if [effect.turn for effect in step.asked(RequestIntent)] != [e.turn for e in step.asked(RequestAnswer)]:
        return "intent and answer are not asked for together"
    answers = [effect for effect in step.asked(Speak) if effect.kind == "answer" and not effect.again]
    speech = before.speech
    whole = speech is not None and speech.kind == "answer" and speech.composed and speech.turn == after.turn
    if answers and (whole or any(effect.is_final for effect in answers[:-1])):
        return f"the answer to turn {after.turn} was whole, and goes on with {answers[-1].text!r}"
    return None


@always(concerns=("begin_turn", "ask_again", "offer_floor", "ask_still_there", "silence_rest"))
def the_rest_of_an_answer_is_silenced_before_the_next_begins(step: _At) -> str | None:
    """What a client may still play of an answer that nobody waits for any more is stopped as something newer begins."""
    cut, after = step.before.context.cut, step.after.context
    nothing_new = after.turn == step.before.context.turn or step.after.state == "IDLE.ended"
    if cut is None or cut.interrupted or not cut.speech.reported or nothing_new:
        return None
    stopped = Playout(cut.speech.turn, "stop") in step.effects
    return None if stopped else f"turn {cut.speech.turn} may still be heard while turn {after.turn} begins"


def _beside_the_turns(step: _At) -> list[int]:
    """Return the numbers of what is said unasked in a step, if it has one of its own."""
    spoken = [effect.turn for effect in step.asked(Speak) if effect.kind in ("prompt", "apology")]
    return [turn for turn in spoken if turn > step.before.context.turn and not step.after.context.turn_open]


@always(concerns=("THINKING", "stt_final"))
def a_turn_begins_in_thinking_alone(step: _At) -> str | None:
    """The number grows when THINKING is entered with new words, when we say something unasked, and at a call's end."""
    quiet = not step.effects and step.after.context.turn == step.before.context.turn
    if quiet or step.after.state == "IDLE.ended" or _beside_the_turns(step):
        return None
    grown = step.after.context.turn - step.before.context.turn
    entered = sum(change.new_state == "THINKING" and "text" in change.data for change in step.asked(StateChanged))
    restarted = sum(not effect.speculative for effect in step.asked(RequestAnswer))
    restarted += sum(effect.hit for effect in step.asked(Speculated))
    return (
        None
        if grown == restarted and (grown == 0 or step.after.state.startswith("THINKING") or entered)
        else (f"the turn went from {step.before.context.turn} to {step.after.context.turn} into {step.after.state}")
    )


@always(concerns=("withdrawn", "ready_for_next", "session_ended", "playback_*", "tts_failed", "answer_deadline"))
def a_turn_that_is_over_is_accounted_for(step: _At) -> str | None:
    """When a turn ends, what was heard of it is recorded, now or when the client has told."""
    before, after = step.before.context, step.after.context
    ended = [effect.turn for effect in step.asked(TurnEnded)]
    if before.turn_open and not (after.turn_open and after.turn == before.turn):
        pending = after.cut is not None and after.cut.speech.turn == before.turn
        if before.turn not in ended and not pending:
            return f"turn {before.turn} ended and nobody wrote it down"
    if before.cut is not None and before.cut.speech.turn not in ended:
        still = after.cut is not None and after.cut.speech.turn == before.cut.speech.turn
        again = after.speech is not None and after.speech.turn == before.cut.speech.turn
        if not still and not again:
            return f"what was heard of turn {before.cut.speech.turn} was never written down"
    return None


@always(concerns=("withdrawn", "ready_for_next", "session_ended", "tts_failed", "answer_deadline", "*_failed"))
def work_for_a_turn_that_is_over_is_cancelled(step: _At) -> str | None:
    """When a turn ends before its answer is known, its tasks are cancelled; what it was saying, too."""
    before, after = step.before.context, step.after.context
    over = before.turn_open and not (after.turn_open and after.turn == before.turn)
    if not over:
        return None
    if not (before.intent and before.retrieved) and CancelTasks(before.turn) not in step.effects and not before.late:
        known = step.move.event in ("rag_complete", "intent_detected", "intent_failed", "intent_wait")
        if not known:
            return f"turn {before.turn} ended by {step.move.event}, and its tasks go on"
    speech = before.speech
    if speech is not None and not speech.synthesised and not step.asked(CancelSpeech):
        return f"turn {before.turn} ended by {step.move.event}, and it would still be spoken"
    return None


@always(concerns=("take_intent", "speak", "speak_ahead", "*_failed"))
def work_that_nobody_needs_is_cancelled(step: _At) -> str | None:
    """When the answer is known without retrieval, its tasks are cancelled."""
    before, after = step.before.context, step.after.context
    found = isinstance(step.move.fact, (RagAnswerReady, RagFailed))
    if found or before.retrieved or not after.retrieved or step.asked(CancelTasks):
        return None
    return f"the answer is known by {step.move.event}, and is still looked for"


# --- the end


@always(concerns=("session_ended", "resume_wait", "IDLE.ended"))
def hanging_up_ends_everything(step: _At) -> str | None:
    """Hanging up always ends in IDLE, with every timer and task cancelled and nothing left to say."""
    hung_up = step.move.event == "session_ended" or (step.move.event == "resume_wait" and step.move.of_time)
    if not hung_up or step.before.state == "IDLE.ended":
        return None
    after = step.after.context
    if step.after.state != "IDLE.ended" or len(step.asked(EndSession)) != 1:
        return f"hung up, and now in {step.after.state}"
    left = {*after.timers, *after.frozen}
    return f"hung up, and {left} run" if left else ("hung up, and more to say" if step.asked(Speak) else None)


PROPERTIES = (
    *properties_of(globals()),
    *properties_of(vars(voice_properties)),
    *properties_of(vars(unasked_properties)),
    *properties_of(vars(caller_properties)),
    *properties_of(vars(histories)),
)
"""All of them, in the order of the files."""
