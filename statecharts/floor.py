"""What is done about the caller: hearing them out, and whether they are there at all."""

from __future__ import annotations

from statecharts.effects import CancelTasks, EndSession, GuardEcho, Playout, ShowTranscript, TurnEnded
from statecharts.endpointing import LONGEST_PAUSE_S, grade, learnt
from statecharts.events import Event, MicOpened, MicUnmuted, SessionEnded, SpeechStopped, SttFinal, SttPartial
from statecharts.guessing import Guessing
from statecharts.scene import Scene
from statecharts.speaking import Speaking

__all__ = ["Hearing", "Presence"]


class Hearing:
    """Actions on the caller's voice and words."""

    __slots__ = ("_context", "_guessing", "_policy", "_scene", "_timers")

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._guessing = Guessing(scene)
        self._context = scene.context
        self._policy = scene.policy
        self._timers = scene.timers

    def on_enter_hearing(self) -> None:
        """A voice is heard, but not for ever."""
        self._timers.start("hearing_max", self._policy.hearing_max_s)

    def on_exit_hearing(self) -> None:
        """The voice paused, or somebody typed."""
        self._timers.cancel("hearing_max")

    def on_exit_settling(self) -> None:
        """The pause is over, one way or the other."""
        self._timers.cancel("end_of_turn", "final_wait")

    def note_voice(self) -> None:
        """Know that the caller's voice is on, and that what was recognised so far is not all."""
        context = self._context
        self._guessing.drop_guess()
        context.pause_s = context.now - context.voice_ended_at if context.voice_ended_at else 0.0
        context.voice_on, context.over_answer = True, False
        over_us = context.echoes and context.speech is not None and context.speech.started_at > 0
        context.ours = context.speech.text if over_us and context.speech is not None else ""
        self._context.final_known = self._context.silence_over = False

    def note_silence(self, fact: SpeechStopped) -> None:
        """Know when the caller's voice went off."""
        context = self._context
        context.voice_on = False
        context.voice_ended_at = context.now - fact.silence_s
        context.over_answer = context.speech is not None and context.speech.started_at > 0

    def await_end_of_turn(self) -> None:
        """Count the silence, from the true end of the voice on; how long it has to be, the words tell once known."""
        context = self._context
        passed_s = context.now - context.voice_ended_at
        text = self._scene.joined(context.text) if context.final_known else ""
        self._timers.start("end_of_turn", grade(text, self._policy, context.least_wait_s) - passed_s)

    def grade_silence(self) -> None:
        """The words are known: they say how long the silence has to be."""
        if self._context.final_known and not self._context.silence_over and self._policy.adaptive_end_of_turn:
            self.await_end_of_turn()

    def learn_pause(self) -> None:
        """The caller went on after a pause: their pauses are that long."""
        context = self._context
        if 0 < context.pause_s < LONGEST_PAUSE_S:
            context.least_wait_s = learnt(context.pause_s, self._policy, context.least_wait_s)

    def await_final_words(self) -> None:
        """The silence is long enough; the recogniser has to give its words now."""
        self._context.silence_over = True
        self._timers.start("final_wait", self._policy.final_wait_s)

    def take_words(self, fact: Event) -> None:
        """Keep the latest words and show them."""
        if not isinstance(fact, (SttPartial, SttFinal)):
            return
        context = self._context
        final = isinstance(fact, SttFinal)
        if context.final_known and not final:
            return  # a partial that was overtaken by the final words
        context.text, context.confidence, context.origin = self._scene.words_of(fact), fact.confidence, fact.origin
        context.final_known = final and not context.voice_on
        if text := self._scene.joined(context.text):
            self._scene.emit(ShowTranscript(context.turn + 1, text, final, fact.confidence, fact.origin))

    def hear_on(self) -> None:
        """Bear a voice without end, as long as it brings words."""
        self._context.words_before = len(self._context.text.split())
        self._timers.start("hearing_max", self._policy.hearing_max_s)


class Presence:
    """Actions on the caller's coming and going."""

    __slots__ = ("_context", "_guessing", "_scene", "_speaking")

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._guessing = Guessing(scene)
        self._context = scene.context
        self._speaking = Speaking(scene)

    def attach(self) -> None:
        """A client is there: what stood still goes on."""
        context = self._context
        was_detached, context.connected, context.detached = context.detached, True, False
        self._scene.timers.cancel("resume_wait")
        self._scene.timers.thaw()
        if was_detached and context.speech is not None and context.speech.started_at:
            context.speech.resume(context.now)
            self._scene.emit(Playout(context.speech.turn, "resume"))
            self._speaking.watch_playback()

    def detach(self) -> None:
        """The client is gone: all stands still, and it is waited for."""
        context = self._context
        if context.detached:
            return
        self._guessing.drop_guess()
        context.connected = False
        if context.voice_on:
            context.voice_on, context.voice_ended_at = False, context.now
        if context.speech is not None and context.speech.started_at and not context.speech.paused_at:
            context.speech.pause(context.now)
            self._scene.emit(Playout(context.speech.turn, "pause"))
        self._scene.timers.freeze()
        self._scene.timers.start("resume_wait", self._scene.policy.resume_s)
        context.detached = True

    def note_microphone(self, fact: Event) -> None:
        """Know whether the caller's microphone can be heard, and whether we are heard in it."""
        if isinstance(fact, MicOpened):
            self._context.muted, self._context.echoes = False, not fact.echo_cancellation
            self._scene.emit(GuardEcho(not fact.echo_cancellation))
        else:
            self._context.muted = not isinstance(fact, MicUnmuted)

    def end_session(self, fact: Event) -> None:
        """End everything: speech, tasks, timers."""
        context = self._context
        self._guessing.drop_guess()
        self._speaking.stop_speech("the session ended", interrupted=True)
        self._speaking.settle_account()
        if context.turn_open:
            context.turn_open = False
            self._scene.emit(CancelTasks(context.turn), TurnEnded(context.turn, context.user_text, "", "", True, False))
        if text := self._scene.joined(context.text if context.final_known else ""):
            self._write_down(text)
        self._scene.timers.cancel_all()
        context.connected = context.detached = context.voice_on = False
        context.carried = ""
        reason = fact.reason if isinstance(fact, SessionEnded) else "nobody came back"
        self._scene.emit(EndSession(reason or "ended"))

    def write_last_words(self, fact: SttFinal) -> None:
        """What the caller said last was still being recognised when the session ended: it is not lost."""
        self._context.final_known = True
        self._write_down(self._scene.words_of(fact))

    def _write_down(self, text: str) -> None:
        """Record words to which no answer will be given."""
        self._context.turn += 1
        self._scene.emit(TurnEnded(self._context.turn, text, "", "", False, False))
