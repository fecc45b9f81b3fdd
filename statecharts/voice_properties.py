"""What always holds of our own voice: when it is heard, lowered, stopped and let go, and what of it was heard."""

from __future__ import annotations

from statecharts.effects import (
    CancelSpeech,
    CancelTasks,
    CommitSpeech,
    Playout,
    Speak,
    Speculated,
    StateChanged,
    TurnEnded,
    Withdrawn,
)
from statecharts.events import TtsFailed
from statecharts.guessing import same_words
from statecharts.machine import Step
from statecharts.proving import always
from statecharts.stepping import Snapshot

_At = Step[Snapshot]


@always(concerns=("apologise", "stop_speech", "drop_guess", "skip_unasked"))
def what_is_given_up_is_no_longer_made(step: _At) -> str | None:
    """When something else is to be said, or nothing, the voice does not go on with what it was at."""
    before, after = step.before.context.speech, step.after.context.speech
    if (
        before is None
        or before.synthesised
        or (after is not None and (after.turn, after.kind) == (before.turn, before.kind))
    ):
        return None
    if step.asked(CancelSpeech) or step.move.event in ("tts_done", "tts_failed"):
        return None
    return f"the {before.kind} of turn {before.turn} is given up, and still made"


@always(concerns=("LISTENING.settling", "committed", "guess", "drop_guess", "claim_guess", "speak_ahead"))
def a_guess_is_committed_in_one_place_or_never_happened(step: _At) -> str | None:
    """What was guessed is heard only once its turn has begun with the same words; else it is given up, and counted."""
    before, after = step.before.context, step.after.context
    over = bool(before.guess) and (not after.guess or after.guesses != before.guesses)
    ended = step.asked(Speculated)
    if over != bool(ended):
        return f"a guess was {'given up' if over else 'kept'}, and counted: {ended}"
    if ended and ended[0].hit and (after.turn != before.turn + 1 or not same_words(after.user_text, before.guess)):
        return f"guessed upon {before.guess!r}, used for {after.user_text!r}"
    if ended and not ended[0].hit and CancelTasks(before.turn + 1) not in step.effects:
        return "a wrong guess is still worked on"
    if (
        ended
        and not ended[0].hit
        and before.speech
        and CancelSpeech(before.turn + 1, "guessed wrong") not in step.effects
    ):
        return "a wrong guess would still be spoken"
    if step.asked(CommitSpeech) and not (ended and ended[0].hit):
        return "something is let out that was not guessed"
    prepared = before.speech is not None and bool(before.guess)
    if ended and ended[0].hit and prepared and CommitSpeech(after.turn) not in step.effects and after.turn_open:
        return "the guess was right, and what was prepared is not let out"
    early = [effect for effect in step.asked(Speak) if effect.speculative]
    return "prepared, though nothing is guessed" if early and not after.guess else None


@always(concerns=("SPEAKING", "SPEAKING.*", "tts_*", "playback_*"))
def speaking_means_audio_is_due(step: _At) -> str | None:
    """SPEAKING begins with audio and ends when the audio should have been played."""
    context, speech = step.after.context, step.after.context.speech
    if not step.after.state.startswith("SPEAKING") or context.detached:
        return None
    if speech is None or not speech.sent_s:
        return "SPEAKING without a sample sent"
    due = context.timers.get("playback_deadline")
    return (
        None if due is not None and due >= speech.ends_at else f"the audio ends at {speech.ends_at}, and {due} is due"
    )


@always(concerns=("INTERRUPT", "INTERRUPT.*", "ready_for_next", "resumed", "barge_in", "voice_lasts"))
def every_duck_ends(step: _At) -> str | None:
    """INTERRUPT is entered by lowering our voice, and left by resuming it, by stopping it, or because it was over."""
    was, is_ = step.before.state.startswith("INTERRUPT"), step.after.state.startswith("INTERRUPT")
    actions = [effect.action for effect in step.asked(Playout)]
    if is_ and not was and "duck" not in actions:
        return "INTERRUPT was entered, and our voice is as loud as before"
    if step.after.state == "INTERRUPT.paused" != step.before.state and "pause" not in actions:
        return "INTERRUPT.paused was entered, and our voice goes on"
    if was and not is_:
        over = step.move.event in ("playback_done", "playback_deadline") or step.after.context.detached
        resumed = step.after.state.startswith("SPEAKING")
        if not over and ("resume" if resumed else "stop") not in actions:
            return f"INTERRUPT was left for {step.after.state} with playout {actions}"
    return None


@always(concerns=("THINKING.holding", "held", "released", "withdrawn"))
def what_was_held_back_is_let_go(step: _At) -> str | None:
    """A voice that is held back while the caller makes a sound is let go or given up afterwards."""
    if step.before.state != "THINKING.holding" or step.after.state == "THINKING.holding":
        return None
    if step.after.state == "THINKING.working" and step.after.context.turn == step.before.context.turn:
        return None if any(effect.action == "resume" for effect in step.asked(Playout)) else "it stays held back"
    return None


@always(concerns=("ready_for_next", "withdrawn", "session_ended", "stt_final"))
def once_stopped_nothing_of_the_turn_starts(step: _At) -> str | None:
    """In the step in which an answer is stopped, nothing of it is asked for, said or played after that."""
    stopped: set[int] = set()
    for effect in step.effects:
        if isinstance(effect, Playout) and effect.action == "stop":
            stopped.add(effect.turn)
        elif (
            isinstance(effect, (Speak, Playout)) and effect.turn in stopped and effect != Playout(effect.turn, "pause")
        ):
            return f"turn {effect.turn} was stopped, and then came {effect}"
    return None


@always(concerns=("withdrawn", "ready_for_next", "stt_final"))
def a_withdrawal_is_told_in_order(step: _At) -> str | None:
    """A turn taken back is told so: first the stop if it was heard, then `withdrawn`, then the new state."""
    withdrawn = [index for index, effect in enumerate(step.effects) if isinstance(effect, Withdrawn)]
    if not withdrawn:
        return None
    taken_back = step.effects[withdrawn[0]]
    assert isinstance(taken_back, Withdrawn)
    heard = step.before.context.speech is not None and bool(step.before.context.speech.started_at)
    if heard and Playout(taken_back.turn, "stop") not in step.effects[: withdrawn[0]]:
        return "withdrawn before it was stopped"
    changes = any(isinstance(effect, StateChanged) for effect in step.effects[withdrawn[0] :])
    return None if len(withdrawn) == 1 and changes else "withdrawn without a change of state"


@always(concerns=("playback_*", "heard_wait", "settle_account", "finish_speech"))
def what_was_heard_was_said(step: _At) -> str | None:
    """The heard text is a literal beginning of the answer, cut at a word, and empty if no audio was sent."""
    for ended in step.asked(TurnEnded):
        rest = ended.answer_text[len(ended.heard_text) :]
        if not ended.answer_text.startswith(ended.heard_text) or (ended.heard_text and rest[:1].strip()):
            return f"heard {ended.heard_text!r} of {ended.answer_text!r}"
        if ended.withdrawn and ended.interrupted:
            return "withdrawn and interrupted at once"
        spoken = [
            speech
            for speech in (step.before.context.speech, step.before.context.cut and step.before.context.cut.speech)
            if speech and speech.turn == ended.turn and speech.sent_s
        ]
        if ended.heard_text and not spoken:
            return f"heard {ended.heard_text!r}, of which no audio was sent"
    return None


@always(concerns=("tts_failed", "another_voice", "speak_again", "say_in_text"))
def what_a_voice_could_not_say_is_said_by_the_next_or_shown(step: _At) -> str | None:
    """When a voice fails, all that has no sound yet is asked of the next voice, or goes out as text if none is left."""
    fact, speech = step.move.fact, step.after.context.speech
    if not isinstance(fact, TtsFailed) or speech is None or step.before.context.guess:
        return None
    again = {effect.request_id: effect for effect in step.asked(Speak) if effect.again}
    silent = [line for line in speech.lines if not line.audio_s]
    if not all(line.request_id in again for line in silent):
        return f"of {[line.text for line in silent]} only {[effect.text for effect in again.values()]} is said again"
    due = "voice" if fact.voices_left else "text"
    if any((effect.voice, effect.medium) != (step.after.context.voice, due) for effect in again.values()):
        return f"with {fact.voices_left} voices left it is said as {list(again.values())}"
    same = step.before.context.voice == step.after.context.voice
    return "the voice that failed is asked again" if same == bool(fact.voices_left) else None
