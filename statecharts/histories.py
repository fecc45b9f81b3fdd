"""What always holds of a whole conversation, from its first event on: the properties that no single step can show."""

from __future__ import annotations

import msgspec

from statecharts.effects import Playout, Speak, TurnEnded, Withdrawn
from statecharts.events import PlaybackDone, PlaybackProgress, PlaybackStarted, TtsChunkReady
from statecharts.machine import Step
from statecharts.proving import Run, along
from statecharts.situations import unwatched, what_is_forbidden
from statecharts.stepping import Snapshot

_At = Step[Snapshot]


@along(concerns=("playback_*", "heard_wait"))
def history_holds_no_sentence_that_was_not_reached(run: Run[Snapshot]) -> str | None:
    """Of a client that reports, no sentence counts as heard whose audio its reports never reached."""
    starts: dict[int, list[tuple[float, str]]] = {}
    sent: dict[tuple[int, str], float] = {}
    texts: dict[tuple[int, str], str] = {}
    reached: dict[int, float] = {}
    for step in run.steps:
        fact = step.move.fact
        for effect in step.asked(Speak):
            texts[effect.turn, effect.request_id] = effect.text
        if step.taken and isinstance(fact, TtsChunkReady) and (fact.turn, fact.request_id) in texts:
            key = (fact.turn, fact.request_id)
            if key not in sent:
                before_s = sum(seconds for (turn, _), seconds in sent.items() if turn == fact.turn)
                starts.setdefault(fact.turn, []).append((before_s, texts[key]))
            sent[key] = sent.get(key, 0.0) + fact.audio_ms / 1000
        if step.taken and isinstance(fact, (PlaybackStarted, PlaybackProgress, PlaybackDone)):
            total = sum(seconds for (turn, _), seconds in sent.items() if turn == fact.turn)
            whole = isinstance(fact, PlaybackDone) and fact.played_s is None
            reached[fact.turn] = max(reached.get(fact.turn, 0.0), total if whole else fact.played_s or 0.0)
        for ended in step.asked(TurnEnded):
            for begins_s, text in starts.get(ended.turn, ()) if ended.turn in reached else ():
                if text and begins_s > reached[ended.turn] + 0.05 and text in ended.heard_text:
                    return (
                        f"{text!r} begins at {begins_s} s, playback reached {reached[ended.turn]} s, heard all the same"
                    )
    return None


@along
def every_turn_ends_once(run: Run[Snapshot]) -> str | None:
    """No turn is recorded twice."""
    ended: set[int] = set()
    for step in run.steps:
        for effect in step.asked(TurnEnded):
            if effect.turn in ended and effect.user_text:
                return f"turn {effect.turn} ended twice"
            ended |= {effect.turn} if effect.user_text else set()
    return None


@along(concerns=("ready_for_next", "withdrawn", "tts_*", "rag_*", "resumed"))
def a_stopped_answer_is_never_heard_again(run: Run[Snapshot]) -> str | None:
    """After a barge-in or a withdrawal nothing of the old turn is said, ducked, paused or resumed."""
    stopped: set[int] = set()
    for step in run.steps:
        for effect in step.effects:
            if isinstance(effect, Speak) and effect.kind == "greeting":
                stopped.discard(effect.turn)  # a new call after the turn
            elif isinstance(effect, (Speak, Playout)) and effect.turn in stopped:
                if not (isinstance(effect, Playout) and effect.action == "stop"):
                    return f"turn {effect.turn} was stopped, and then came {effect}"
            elif isinstance(effect, Withdrawn) or (isinstance(effect, TurnEnded) and effect.user_text):
                stopped.add(effect.turn)
    return None


@along
def a_restored_conversation_goes_on_as_if_it_had_never_stopped(run: Run[Snapshot]) -> str | None:
    """Written down and read back after any event, a conversation goes on exactly as it would have."""
    for step in run.steps:
        stored = msgspec.json.decode(msgspec.json.encode(step.before), type=Snapshot)
        again = run.machine.take(stored, step.move)
        if list(again.effects) != list(step.effects) or msgspec.json.encode(again.after) != msgspec.json.encode(
            step.after
        ):
            return (
                f"restored in {step.before.state}, {step.move} leads to {again.after.state} and {list(again.effects)}"
            )
    return None


@along
def the_same_events_have_the_same_effects(run: Run[Snapshot]) -> str | None:
    """The same events give the same effects, byte for byte."""
    at = run.machine.start()
    for step in run.steps:
        again = run.machine.take(at, step.move)
        if msgspec.json.encode(list(again.effects)) != msgspec.json.encode(list(step.effects)):
            return f"at {step.move} the second run has other effects: {list(again.effects)}"
        at = again.after
    return None


@along
def copies_and_disorder_do_no_harm(run: Run[Snapshot]) -> str | None:
    """With any event repeated, or swapped with the next one, no situation is forbidden."""
    moves = [step.move for step in run.steps]
    for index, move in enumerate(moves):
        for tried in ([move, move], [*moves[index + 1 : index + 2], move]):
            at = run.steps[index].before
            for other in [*tried, *moves[index + 2 : index + 6]]:
                at = run.machine.take(at, other).after
                if wrong := what_is_forbidden(at) or unwatched(at):
                    return f"{' / '.join(map(str, tried))} from {run.steps[index].before.state}: {wrong}"
    return None
