"""The turn-taking of one voice session, as one declared chart: this file is the product.

    IDLE ──connected──► LISTENING ──stt_final──► THINKING ──tts_chunk_ready──► SPEAKING ──playback_done──► LISTENING
                                                                     barge_in ▼   ▲ resumed
                                                                        INTERRUPT ──ready_for_next──► LISTENING

Rules:

1. Everything that decides is here, nothing that does. Synchronous, deterministic, no clock: time comes in as an event's
   `timestamp` and goes out as a `StartTimer`.
2. Every transition is declared below. No code assigns a state, so the diagram cannot lie. Guards (`cond`, `unless`)
   live in `guards.py`; actions (`on`) in `floor.py`, `thinking.py`, `speaking.py`, `unasked.py` and `voicing.py`,
   where they ask for effects.
3. One judge of staleness: `RunningChart.step`. What belongs to an older turn and a timer that does not run become a
   `Drop` with its reason. What the caller does carries turn 0 and is never stale.
4. Every substate but IDLE's has a deadline (`timers.DEADLINES`) and a way out.
5. Facts always get in; only effects are held back. Muting, gating or ducking hides nothing from the chart.
6. Speculation has one commit point: `committed`, in the step in which THINKING is entered with the words guessed upon.
7. What was heard is what was said: `TurnEnded.heard_text` holds only what the client confirmed as played or, for a
   client that never reports, what the clock says.
8. Nobody is left in silence. Without an intent it is answered all the same; a long wait is bridged by a filler, which
   gives way to the first sound of the answer; an answer that fails or is late is apologised for, and so are words that
   the recogniser lost; a voice that fails is followed by the next one, and the last one by the text alone.
9. What nobody asked for (greeting, prompts) is off unless the policy says when. It is said in LISTENING.quiet, and
   whoever speaks before its first sound is not talked over.

How to read it: `edge = A.to(B, event="also", cond="guard", on="action")` is taken on the event `edge` or `also`, if the
guard agrees; the first that fits wins, inner states before outer ones. An edge's own name is the trigger that clients
are told. An edge to `None` changes what is remembered, not the state.
"""

from __future__ import annotations

from typing import TypeVar, cast

from statemachine import State, StateChart

from statecharts.floor import Hearing, Presence
from statecharts.guards import AnswerGuards, FloorGuards
from statecharts.guessing import Guessing
from statecharts.speaking import Overlap, Speaking
from statecharts.thinking import Patience, Thinking
from statecharts.unasked import Unasked
from statecharts.voicing import Voicing

__all__ = ["CHART_VERSION", "PARTS", "ConversationChart"]

CHART_VERSION = "1"
"""Written beside every journal record, so that a replay knows which chart made it."""

PARTS = (FloorGuards, AnswerGuards, Hearing, Presence, Guessing, Thinking, Patience, Speaking, Overlap,
         Voicing, Unasked)  # fmt: skip
"""Whose methods the guards and actions below are; each is made with the scene of its conversation."""

_T = TypeVar("_T")


def whole(state: type[_T]) -> State:
    """Return a compound state as what it is at run time, whichever of its substates is active."""
    return cast("State", state)


class ConversationChart(StateChart[object]):
    """Whose turn it is to speak, and what must be done about it.

    `stepping.RunningChart` runs it: one event in, all its effects out.
    """

    catch_errors_as_events = False  # the library's default hides a failing action and takes the edge all the same
    allow_event_without_transition = True  # a late event is normal; a step reports it

    class IDLE(State.Compound, name="nobody is talking to us"):
        """Nobody is talking to us."""

        new = State("nobody has connected yet", initial=True)
        away = State("quiet for long: a word wakes us")
        ended = State("hung up")

    class LISTENING(State.Compound, name="the floor is the caller's"):
        """The floor is the caller's."""

        quiet = State("nobody speaks", initial=True)
        hearing = State("the caller speaks")
        settling = State("they fell silent: is the turn over?")

    class THINKING(State.Compound, name="the answer is being fetched"):
        """Intent and answer are fetched at the same time."""

        working = State("nothing audible yet", initial=True)
        holding = State("a sound of the caller's: say nothing until we know what it is")
        filling = State("a filler bridges the wait")

    class SPEAKING(State.Compound, name="the answer is being heard"):
        """From the first answer audio sent until it is played."""

        streaming = State("more audio is to come", initial=True)
        draining = State("all of it is sent")

    class INTERRUPT(State.Compound, name="the caller made a sound over us"):
        """Our voice is lowered or paused until we know what the sound was."""

        ducked = State("our voice is low and plays on", initial=True)
        paused = State("silent, the place is kept")

    # --- coming and going
    session_started = IDLE.new.to(None)
    connected = (
        IDLE.away.to(LISTENING.quiet, on="attach")
        | whole(IDLE).to(LISTENING.quiet, on=["attach", "await_greeting"])
        | whole(LISTENING).to(None, on="attach")
        | whole(THINKING).to(None, on="attach")
        | whole(SPEAKING).to(None, on="attach")
        | whole(INTERRUPT).to(None, on="attach")
    )
    disconnected = (
        IDLE.away.to(None, on="detach")
        | LISTENING.hearing.to(LISTENING.settling, on=["detach", "await_end_of_turn"])
        | whole(LISTENING).to(None, on="detach")
        | THINKING.holding.to(LISTENING.quiet, cond="nothing_to_say", on=["stay_silent", "detach"])
        | THINKING.holding.to(THINKING.working, on=["release", "speak", "detach"])
        | whole(THINKING).to(None, on="detach")
        | whole(SPEAKING).to(None, on="detach")
        | whole(INTERRUPT).to(SPEAKING.draining, cond="all_sent", on=["leave_overlap", "detach"])
        | whole(INTERRUPT).to(SPEAKING.streaming, on=["leave_overlap", "detach"])
    )  # the voice went away with its client
    session_ended = (
        IDLE.new.to(IDLE.ended, on="end_session")
        | IDLE.away.to(IDLE.ended, event="resume_wait", on="end_session")
        | whole(LISTENING).to(IDLE.ended, event="resume_wait", on="end_session")
        | whole(THINKING).to(IDLE.ended, event="resume_wait", on="end_session")
        | whole(SPEAKING).to(IDLE.ended, event="resume_wait", on="end_session")
        | whole(INTERRUPT).to(IDLE.ended, event="resume_wait", on="end_session")
    )
    away = LISTENING.quiet.to(IDLE.away, on="skip_unasked")

    # --- what we say unasked, each off unless the policy says when
    greeting = LISTENING.quiet.to(LISTENING.quiet, on="greet")
    prompt = LISTENING.quiet.to(LISTENING.quiet, on="offer_floor")
    still_there = LISTENING.quiet.to(LISTENING.quiet, on="ask_still_there")

    # --- over our voice: first ducked, then believed or forgotten
    barge_in = (
        whole(SPEAKING).to(INTERRUPT.ducked, cond="interruptible", on=["duck", "await_quiet"])
        | whole(SPEAKING).to(
            INTERRUPT.ducked, event="speech_started", cond="interruptible", on=["note_voice", "duck", "await_verdict"]
        )
        | LISTENING.quiet.to(
            INTERRUPT.ducked, event="speech_started", cond=["still_audible", "interruptible"],
            on=["note_voice", "duck", "await_verdict"],
        )
        | whole(SPEAKING).to(INTERRUPT.ducked, event="stt_final", cond="interrupting_words", unless="typed",
                             on=["duck", "await_quiet", "take_again"])
    )  # fmt: skip
    voice_lasts = INTERRUPT.ducked.to(
        INTERRUPT.paused, event="barge_in_speech", cond=["lasting_voice", "pausable"], on="pause"
    )
    ready_for_next = (
        INTERRUPT.ducked.to(LISTENING.hearing, event="barge_in_speech", cond="lasting_voice", on="take_floor")
        | whole(INTERRUPT).to(LISTENING.quiet, event="stt_final", cond="typed", on=["take_floor", "take_again"])
        | whole(INTERRUPT).to(LISTENING.hearing, event="stt_partial stt_final",
                              cond=["interrupting_words", "voice_on"],
                              on=["take_floor", "keep_words", "take_words"])
        | whole(INTERRUPT).to(LISTENING.settling, event="stt_partial stt_final", cond="interrupting_words",
                              on=["take_floor", "keep_words", "take_words", "await_end_of_turn"])
    )  # fmt: skip
    key_pressed = (
        whole(SPEAKING).to(LISTENING.hearing, cond=["interruptible", "voice_on"], on="interrupt_speech")
        | whole(SPEAKING).to(LISTENING.quiet, cond="interruptible", on="interrupt_speech")
        | whole(INTERRUPT).to(LISTENING.hearing, cond="voice_on", on=["leave_overlap", "interrupt_speech"])
        | whole(INTERRUPT).to(LISTENING.quiet, on=["leave_overlap", "interrupt_speech"])
    )
    resumed = (
        whole(INTERRUPT).to(SPEAKING.draining, event="stt_final stt_failed", cond="all_sent", unless="voice_on",
                            on=["count_words", "resume_speech"])
        | whole(INTERRUPT).to(SPEAKING.streaming, event="stt_final stt_failed", unless="voice_on",
                              on=["count_words", "resume_speech"])
        | whole(INTERRUPT).to(SPEAKING.draining, event="false_interruption interrupt_max", cond="all_sent",
                              on="resume_speech")
        | whole(INTERRUPT).to(SPEAKING.streaming, event="false_interruption interrupt_max", on="resume_speech")
    )  # fmt: skip

    # --- the caller's voice
    speech_started = (
        IDLE.new.to(LISTENING.hearing, on="note_voice")
        | IDLE.away.to(LISTENING.hearing, on="note_voice")
        | LISTENING.quiet.to(LISTENING.hearing, on=["note_voice", "skip_unasked"])
        | LISTENING.settling.to(LISTENING.hearing, on=["note_voice", "learn_pause"])
        | THINKING.working.to(THINKING.holding, on=["note_voice", "hold"])
        | THINKING.filling.to(THINKING.holding, on=["note_voice", "stop_filler", "hold"])
        | THINKING.holding.to(None, on=["note_voice", "hold_on"])
        | whole(SPEAKING).to(None, on="note_voice")
        | INTERRUPT.ducked.to(None, on=["note_voice", "sound_again", "await_verdict"])
        | INTERRUPT.paused.to(None, on=["note_voice", "sound_again"])
    )
    speech_stopped = (
        LISTENING.hearing.to(LISTENING.settling, on=["note_silence", "await_end_of_turn"])
        | THINKING.holding.to(None, on=["note_silence", "await_no_more"])
        | whole(INTERRUPT).to(None, on=["note_silence", "await_quiet"])
        | whole(SPEAKING).to(None, cond="voice_on", on="note_silence")
        | whole(THINKING).to(None, cond="voice_on", on="note_silence")
        | whole(LISTENING).to(None, cond="voice_on", on="note_silence")
        | IDLE.away.to(None, cond="voice_on", on="note_silence")
    )
    hearing_max = (
        LISTENING.hearing.to(None, cond="worth_going_on", on="hear_on")
        | LISTENING.hearing.to(THINKING.working, cond="some_words", on="begin_turn")
        | LISTENING.hearing.to(LISTENING.quiet)
    )  # fmt: skip
    barge_in_speech = INTERRUPT.ducked.to(None, on="await_echo")

    # --- the caller takes back a turn that is not answered yet
    withdrawn = (
        THINKING.holding.to(LISTENING.hearing, event="barge_in_speech", on=["withdraw", "learn_pause"])
        | THINKING.holding.to(LISTENING.hearing, event="stt_partial stt_final", cond=["spoken_words", "voice_on"],
                              on=["withdraw", "learn_pause", "take_words"])
        | THINKING.holding.to(LISTENING.settling, event="stt_partial stt_final", cond="spoken_words",
                              on=["withdraw", "learn_pause", "take_words", "await_end_of_turn"])
    )  # fmt: skip
    released = (
        THINKING.holding.to(LISTENING.quiet, event="end_of_turn interrupt_max", cond="nothing_to_say", on="stay_silent")
        | THINKING.holding.to(LISTENING.quiet, event="stt_final stt_failed", cond="nothing_to_say",
                              unless=["voice_on", "typed"], on="stay_silent")
        | THINKING.holding.to(THINKING.working, event="end_of_turn interrupt_max", on=["release", "speak"])
        | THINKING.holding.to(THINKING.working, event="stt_final stt_failed", unless=["voice_on", "typed"],
                              on=["release", "speak"])
    )  # fmt: skip

    # --- the caller's words: here alone a turn begins
    stt_final = (
        IDLE.new.to(LISTENING.quiet, cond="words", on="take_again")
        | IDLE.away.to(LISTENING.quiet, cond="words", on="take_again")
        | whole(LISTENING).to(THINKING.working, cond="typed", on="begin_turn")
        | LISTENING.quiet.to(THINKING.working, cond="words_for_us", on="begin_turn")
        | LISTENING.settling.to(THINKING.working, event="end_of_turn final_wait", cond="turn_over", on="begin_turn")
        | THINKING.working.to(THINKING.working, cond="words", on=["withdraw", "begin_turn"])
        | THINKING.filling.to(THINKING.working, cond="words", on=["stop_filler", "withdraw", "begin_turn"])
        | whole(THINKING).to(THINKING.working, cond="typed", on=["withdraw", "begin_turn"])
        | whole(SPEAKING).to(THINKING.working, cond="typed", on=["interrupt_speech", "begin_turn"])
        | LISTENING.hearing.to(None, cond="spoken_words", on="take_words")
        | LISTENING.settling.to(LISTENING.quiet, cond="nothing_said", unless="typed")
        | LISTENING.settling.to(None, unless="typed", on=["take_words", "guess", "grade_silence"])
        | whole(INTERRUPT).to(None, on="count_words")
        | IDLE.ended.to(None, cond="last_words", unless="typed", on="write_last_words")
    )
    stt_partial = (
        whole(LISTENING).to(None, cond="words", on="take_words")
        | whole(INTERRUPT).to(None, cond="words")
    )  # fmt: skip
    stt_failed = LISTENING.settling.to(LISTENING.quiet, on="ask_again")
    end_of_turn = LISTENING.settling.to(None, on="await_final_words")
    final_wait = LISTENING.settling.to(LISTENING.quiet)

    # --- the answer
    committed = (
        THINKING.working.to(LISTENING.quiet, cond=["intent_known", "nothing_to_say"],
                            on=["claim_guess", "stay_silent"])
        | THINKING.working.to(None, on=["claim_guess", "speak"])
    )  # fmt: skip
    intent_detected = (
        LISTENING.settling.to(None, event="intent_failed", cond="intent_open", on=["take_intent", "speak_ahead"])
        | THINKING.working.to(LISTENING.quiet, event="intent_failed intent_wait",
                              cond=["intent_open", "nothing_to_say"], on="stay_silent")
        | THINKING.filling.to(LISTENING.quiet, event="intent_failed intent_wait",
                              cond=["intent_open", "nothing_to_say"], on=["stop_filler", "stay_silent"])
        | THINKING.holding.to(None, event="intent_failed intent_wait", cond="intent_open", on="take_intent")
        | whole(THINKING).to(None, event="intent_failed intent_wait", cond="intent_open", on=["take_intent", "speak"])
    )  # fmt: skip
    intent_wait = THINKING.working.to(
        THINKING.working, event="intent_failed", cond="intent_open", on=["take_intent", "speak"]
    )  # without it
    rag_complete = (
        LISTENING.settling.to(None, event="rag_answer_ready", cond="wanted", on=["take_sentence", "speak_ahead"])
        | THINKING.working.to(LISTENING.quiet, cond="nothing_to_say", on="stay_silent")
        | THINKING.filling.to(LISTENING.quiet, cond="nothing_to_say", on=["stop_filler", "stay_silent"])
        | THINKING.holding.to(None, event="rag_answer_ready", cond="wanted", on="take_sentence")
        | whole(THINKING).to(None, event="rag_answer_ready", cond="wanted", on=["take_sentence", "speak"])
        | whole(SPEAKING).to(None, event="rag_answer_ready", cond="wanted", on=["take_sentence", "speak"])
        | whole(INTERRUPT).to(None, event="rag_answer_ready", cond="wanted", on=["take_sentence", "speak"])
    )
    rag_failed = (
        LISTENING.settling.to(None, cond="guessing", on="drop_guess")
        | THINKING.working.to(THINKING.working, cond="wanted", on="apologise")
        | whole(THINKING).to(None, cond="wanted", on="apologise")
        | whole(SPEAKING).to(None, cond="wanted", on="end_answer")
        | whole(INTERRUPT).to(None, cond="wanted", on="end_answer")
    )
    answer_deadline = (
        THINKING.working.to(THINKING.working, unless="late", on="apologise")
        | whole(THINKING).to(LISTENING.hearing, cond=["late", "voice_on"], on="stay_silent")
        | whole(THINKING).to(LISTENING.quiet, cond="late", on="stay_silent")
        | whole(THINKING).to(None, on="apologise")
    )  # fmt: skip
    filler = (
        THINKING.working.to(THINKING.filling, cond="filler_wanted", on="say_filler")
        | THINKING.working.to(None)
    )  # fmt: skip

    # --- our voice
    tts_chunk_ready = (
        LISTENING.quiet.to(SPEAKING.streaming, cond="of_speech", on="begin_speech")
        | THINKING.holding.to(SPEAKING.streaming, cond="of_speech",
                              on=["stop_holding", "begin_speech", "speak", "meet_voice"])
        | whole(THINKING).to(SPEAKING.streaming, cond="of_speech", on="begin_speech")
        | whole(SPEAKING).to(None, cond="of_speech", on="note_audio")
        | whole(INTERRUPT).to(None, cond="of_speech", on="note_audio")
    )  # fmt: skip
    tts_done = (
        LISTENING.quiet.to(LISTENING.quiet, cond="of_speech", on="end_unheard")
        | whole(THINKING).to(LISTENING.hearing, cond=["of_speech", "all_composed", "voice_on"], on="stay_silent")
        | whole(THINKING).to(LISTENING.quiet, cond=["of_speech", "all_composed"], on="stay_silent")
        | SPEAKING.streaming.to(SPEAKING.draining, cond=["of_speech", "all_composed"], on="note_all_sent")
        | whole(INTERRUPT).to(None, cond=["of_speech", "all_composed"], on="note_all_sent")
    )  # fmt: skip
    tts_failed = (  # the next voice, and when there is none, the text alone
        LISTENING.settling.to(None, cond="guessing", on="drop_guess")
        | THINKING.working.to(THINKING.working, cond=["of_speech", "another_voice"], on="speak_again")
        | THINKING.working.to(THINKING.working, cond="of_speech", on="say_in_text")
        | SPEAKING.streaming.to(SPEAKING.streaming, cond=["of_speech", "another_voice"], on="speak_again")
        | SPEAKING.streaming.to(SPEAKING.streaming, cond="of_speech", on="say_in_text")
        | LISTENING.quiet.to(None, cond=["of_speech", "another_voice"], on="speak_again")
        | LISTENING.quiet.to(None, cond="of_speech", on="say_in_text")
        | whole(THINKING).to(None, cond=["of_speech", "another_voice"], on="speak_again")
        | whole(THINKING).to(None, cond="of_speech", on="say_in_text")
        | whole(INTERRUPT).to(None, cond=["of_speech", "another_voice"], on="speak_again")
        | whole(INTERRUPT).to(None, cond="of_speech", on="say_in_text")
    )
    playback_done = (
        whole(LISTENING).to(None, cond="of_cut", on="settle_account")
        | THINKING.holding.to(None, cond="of_cut", on="settle_account")
        | whole(THINKING).to(None, cond="of_cut", on=["settle_account", "speak"])
        | whole(IDLE).to(None, cond="of_cut", on="settle_account")
        | whole(SPEAKING).to(None, cond="of_cut", on="settle_account")
        | whole(INTERRUPT).to(None, cond="of_cut", on="settle_account")
        | THINKING.filling.to(THINKING.working, cond="of_filler")
        | whole(SPEAKING).to(LISTENING.hearing, cond=["of_speech", "played_out", "voice_on"], on="finish_speech")
        | whole(SPEAKING).to(LISTENING.quiet, cond=["of_speech", "played_out"], on="finish_speech")
        | whole(SPEAKING).to(None, cond="of_speech", on="note_playback")
        | whole(INTERRUPT).to(LISTENING.hearing, cond=["of_speech", "played_out", "voice_on"],
                              on=["leave_overlap", "finish_speech"])
        | whole(INTERRUPT).to(LISTENING.settling, cond=["of_speech", "played_out"],
                              on=["leave_overlap", "finish_speech", "await_end_of_turn"])
        | whole(INTERRUPT).to(None, cond="of_speech", on="note_playback")
    )  # fmt: skip
    playback_deadline = (
        whole(SPEAKING).to(LISTENING.hearing, cond="voice_on", on="finish_speech")
        | whole(SPEAKING).to(LISTENING.quiet, on="finish_speech")
        | whole(INTERRUPT).to(LISTENING.hearing, cond="voice_on", on=["leave_overlap", "finish_speech"])
        | whole(INTERRUPT).to(LISTENING.settling, on=["leave_overlap", "finish_speech", "await_end_of_turn"])
    )
    playback_started = whole(SPEAKING).to(
        None, event="playback_progress", cond="of_speech", on="note_playback"
    ) | whole(INTERRUPT).to(None, event="playback_progress", cond="of_speech", on="note_playback")
    heard_wait = (
        whole(LISTENING).to(None, on="settle_account")
        | THINKING.holding.to(None, on="settle_account")
        | whole(THINKING).to(None, on=["settle_account", "speak"])
        | whole(SPEAKING).to(None, on="settle_account")
        | whole(INTERRUPT).to(None, on="settle_account")
        | whole(IDLE).to(None, on="settle_account")
    )
    mic_muted = (
        whole(LISTENING).to(None, event="mic_opened mic_unmuted mic_denied", on="note_microphone")
        | whole(THINKING).to(None, event="mic_opened mic_unmuted mic_denied", on="note_microphone")
        | whole(SPEAKING).to(None, event="mic_opened mic_unmuted mic_denied", on="note_microphone")
        | whole(INTERRUPT).to(None, event="mic_opened mic_unmuted mic_denied", on="note_microphone")
        | whole(IDLE).to(None, event="mic_opened mic_unmuted mic_denied", on="note_microphone")
    )
