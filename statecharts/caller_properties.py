"""What the caller does always gets in: whatever else is going on, no fact of theirs is lost."""

from __future__ import annotations

from statecharts.effects import TurnEnded
from statecharts.events import (
    Connected,
    Disconnected,
    MicDenied,
    MicMuted,
    MicUnmuted,
    PlaybackDone,
    SessionEnded,
    SpeechStarted,
    SpeechStopped,
    SttFinal,
    SttPartial,
)
from statecharts.machine import Step
from statecharts.policy import Policy
from statecharts.proving import always
from statecharts.stepping import Snapshot

_At = Step[Snapshot]


@always(dropped=True, concerns=("connected", "disconnected", "session_ended", "resume_wait", "attach", "detach"))
def who_is_there_is_known(step: _At) -> str | None:
    """A client that connects is there; one that goes away is waited for; one that hangs up is gone."""
    fact, after = step.move.fact, step.after
    known = after.context.connected, after.context.detached
    if isinstance(fact, Connected) and known != (True, False):
        return f"connected, and yet connected, detached = {known} in {after.state}"
    if isinstance(fact, Disconnected) and step.before.context.connected and known != (False, True):
        return f"disconnected, and yet connected, detached = {known} in {after.state}"
    if isinstance(fact, SessionEnded) and after.state != "IDLE.ended":
        return f"hung up, and in {after.state}"
    return None


@always(dropped=True, concerns=("mic_*", "note_microphone"))
def whether_the_microphone_is_muted_is_known(step: _At) -> str | None:
    """Muting and unmuting is noted in every state."""
    fact = step.move.fact
    if isinstance(fact, (MicMuted, MicDenied)) and not step.after.context.muted:
        return f"muted in {step.before.state}, and not noted"
    if isinstance(fact, MicUnmuted) and step.after.context.muted:
        return f"unmuted in {step.before.state}, and not noted"
    return None


@always(dropped=True, concerns=("speech_*", "note_voice", "note_silence", "barge_in"))
def whether_a_voice_is_on_is_known(step: _At) -> str | None:
    """A voice that begins or ends is noted in every state but after the end."""
    fact, after = step.move.fact, step.after.context
    if isinstance(fact, SpeechStarted) and not after.voice_on and step.before.state != "IDLE.ended":
        return f"a voice began in {step.before.state}, and was not noted"
    if isinstance(fact, SpeechStopped) and after.voice_on:
        return f"the voice ended in {step.before.state}, and was not noted"
    return None


@always(dropped=True, concerns=("stt_final", "typed", "words", "begin_turn", "take_again"))
def typed_text_always_begins_a_turn(step: _At) -> str | None:
    """Typed text is taken in every state but after the end, and opens the next turn at once."""
    fact = step.move.fact
    if not isinstance(fact, SttFinal) or fact.origin != "typed" or not fact.text or step.before.state == "IDLE.ended":
        return None
    after = step.after.context
    taken = after.turn == step.before.context.turn + 1
    return (
        None
        if taken and after.user_text.endswith(fact.text)
        else f"typed in {step.before.state}, now {step.after.state}"
    )


@always(dropped=True, concerns=("stt_*", "words", "take_words", "count_words", "take_again", "begin_turn"))
def spoken_words_are_never_lost(step: _At) -> str | None:
    """Recognised words are kept for the turn, begin it, or were judged to be said over our answer, or by it."""
    fact, before, after = step.move.fact, step.before, step.after
    if not isinstance(fact, (SttPartial, SttFinal)) or not fact.text or fact.origin == "typed":
        return None
    if before.context.ours:
        return None
    began = after.context.turn > before.context.turn and fact.text in after.context.user_text
    kept = after.context.text == fact.text or (before.context.final_known and isinstance(fact, SttPartial))
    over_us = before.state.startswith(("SPEAKING", "INTERRUPT")) and after.state.startswith(("SPEAKING", "INTERRUPT"))
    over_us = over_us or before.context.over_answer
    # A partial is a guess at words that come again; where nothing is decided by it, it may go by.
    passing = isinstance(fact, SttPartial) and not before.state.startswith("LISTENING")
    if began or kept or over_us or passing or before.state == "IDLE.ended":
        return None
    return f"{fact.text!r} was said in {before.state}, and is lost in {after.state}"


@always(concerns=("interrupting_words", "count_words", "keep_words"))
def words_that_were_too_few_begin_the_turn_once_they_are_enough(step: _At) -> str | None:
    """Where a number of words is asked for, those that were too few to interrupt are not lost when more make it up."""
    few, after = step.before.context.overlap_text, step.after
    interrupted = step.before.state.startswith("INTERRUPT") and after.state.startswith("LISTENING")
    if not few or not interrupted or not isinstance(step.move.fact, (SttPartial, SttFinal)):
        return None
    typed = isinstance(step.move.fact, SttFinal) and step.move.fact.origin == "typed"
    return None if typed or few in after.context.carried else f"{few!r} was said before, and is lost in {after.state}"


@always(concerns=("resumed", "count_words", "stt_final"))
def words_that_do_not_interrupt_are_added_up(step: _At) -> str | None:
    """Words over our answer that were too few to stop it count together with those that follow."""
    fact, before, after = step.move.fact, step.before.context, step.after
    over_us = step.before.state.startswith("INTERRUPT") and after.state.startswith(("INTERRUPT", "SPEAKING"))
    if not over_us or not isinstance(fact, SttFinal) or not fact.text or fact.text in Policy().backchannels:
        return None
    due = f"{before.overlap_text} {fact.text}".strip()
    return None if after.context.overlap_text == due else f"{due!r} was said, {after.context.overlap_text!r} is known"


@always(concerns=("sound_again", "hold_on", "false_interruption", "end_of_turn", "speech_started"))
def a_voice_is_not_taken_for_quiet(step: _At) -> str | None:
    """A voice that begins again, over our answer or while we think, ends the waiting for quiet to last."""
    again = isinstance(step.move.fact, SpeechStarted) and step.taken
    waits = {"false_interruption", "end_of_turn"} & set(step.after.context.timers)
    return f"a voice is on in {step.after.state}, and quiet is waited for" if again and waits else None


@always(dropped=True, concerns=("playback_done", "settle_account", "of_cut"))
def the_report_of_a_cut_answer_is_taken(step: _At) -> str | None:
    """The client's word on what was heard of an answer that was cut is written down at once, in every state."""
    fact, cut = step.move.fact, step.before.context.cut
    if (
        not isinstance(fact, PlaybackDone)
        or cut is None
        or (fact.turn, fact.kind) != (cut.speech.turn, cut.speech.kind)
    ):
        return None
    ended = [effect for effect in step.effects if isinstance(effect, TurnEnded) and effect.turn == cut.speech.turn]
    return None if ended else f"reported in {step.before.state}, and not written down"
