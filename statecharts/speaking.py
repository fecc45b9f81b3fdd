"""What is done about our own voice: playing, ducking, cutting it, and knowing what was heard."""

from __future__ import annotations

from statecharts.effects import CancelSpeech, CancelTasks, Playout, PlayoutAction, TurnEnded, Withdrawn
from statecharts.events import Event, PlaybackDone, PlaybackProgress, PlaybackStarted, SpeechStopped, TtsChunkReady
from statecharts.scene import RaisesEvents, Scene
from statecharts.speech import Cut

__all__ = ["Overlap", "Speaking"]


class Speaking:
    """Actions on the answer that is being heard."""

    __slots__ = ("_context", "_policy", "_scene", "_timers")

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._context = scene.context
        self._policy = scene.policy
        self._timers = scene.timers

    def begin_speech(self, fact: TtsChunkReady) -> None:
        """Our first audio is out: the caller hears us."""
        self._timers.cancel("answer_deadline", "intent_wait", "filler")
        self._context.overlap_text = ""
        if self._context.speech is not None and self._context.speech.kind != "prompt":
            self._context.prompts_left = self._policy.prompts_max if self._policy.prompt_after_s > 0 else 0
        self.note_audio(fact)

    def note_audio(self, fact: TtsChunkReady) -> None:
        """Add a chunk to what was sent, and to the time that playing it takes."""
        speech = self._context.speech
        if speech is not None:
            speech.add_audio(
                fact.request_id, fact.audio_ms / 1000, self._context.now, fact.sentence_ms / 1000, fact.words
            )
            if self._context.detached:
                speech.pause(self._context.now)
            self.watch_playback()

    def note_all_sent(self) -> None:
        """Know that nothing more of this answer will be sent."""
        if self._context.speech is not None:
            self._context.speech.synthesised = True
            self.watch_playback()

    def note_playback(self, fact: Event) -> None:
        """Know how much of our answer the client has played."""
        speech = self._context.speech
        if speech is None or not isinstance(fact, (PlaybackStarted, PlaybackProgress, PlaybackDone)):
            return
        whole = speech.sent_s if isinstance(fact, PlaybackDone) else speech.played_s
        speech.report(whole if fact.played_s is None else fact.played_s, self._context.now)
        self.watch_playback()

    def watch_playback(self) -> None:
        """Expect the answer to be over when its audio is, and a margin; while it is paused, wait for nothing."""
        speech = self._context.speech
        if speech is None or speech.paused_at or not speech.started_at:
            return
        margin_s = self._policy.playout_margin_s if speech.synthesised else self._policy.stall_s
        self._timers.start("playback_deadline", speech.ends_at - self._context.now + margin_s)

    def finish_speech(self, fact: Event) -> None:
        """The answer is over: it was played, or the time it should have taken has passed."""
        speech = self._context.speech
        if speech is None:
            return
        self._timers.cancel("playback_deadline")
        self._context.speech, self._context.turn_open = None, False
        self._context.ours = speech.text if self._context.ours else ""
        if not speech.composed:
            self._scene.emit(CancelTasks(speech.turn))
        if not speech.synthesised:
            self._scene.emit(CancelSpeech(speech.turn, "the answer ended early"))
        cut = Cut(speech, self._context.user_text)
        if isinstance(fact, PlaybackDone):
            played_s = speech.sent_s if fact.played_s is None else fact.played_s
            self._close(cut, speech.heard(played_s))
        elif speech.reported:
            self._await_report(cut)
        else:
            # Whole at the deadline: a client that never reports has had the time to play all that was sent.
            self._close(cut, speech.heard(speech.sent_s))

    def stop_speech(self, reason: str, *, interrupted: bool, withdrawn: bool = False) -> None:
        """Let nothing more of this turn be asked for, synthesised, sent or played."""
        context = self._context
        speech = context.speech
        if speech is None:
            return
        self._timers.cancel("playback_deadline")
        context.speech, context.ours = None, speech.text if context.ours else ""
        self._scene.emit(CancelTasks(speech.turn), CancelSpeech(speech.turn, reason))
        if speech.started_at:
            self._scene.emit(Playout(speech.turn, "stop"))
        if withdrawn:
            self._scene.emit(Withdrawn(speech.turn))
        speech.played_s = speech.estimate_s(context.now)
        context.turn_open = False
        cut = Cut(speech, context.user_text, interrupted=interrupted, withdrawn=withdrawn)
        if speech.started_at:
            self._await_report(cut)
        else:
            self._close(cut, "")

    def interrupt_speech(self) -> None:
        """Stop the answer for something newer."""
        self.stop_speech("interrupted", interrupted=True)

    def silence_rest(self) -> None:
        """Stop what the client may still play of an answer we had given up waiting for: something newer begins."""
        cut = self._context.cut
        if cut is not None and cut.speech.reported and not cut.interrupted:
            cut.interrupted = True
            self._scene.emit(Playout(cut.speech.turn, "stop"))

    def settle_account(self, fact: Event | None = None) -> None:
        """Record what was heard of the answer that ended last: as reported, or as far as we know."""
        cut, self._context.cut = self._context.cut, None
        self._timers.cancel("heard_wait")
        if cut is None:
            return
        played_s = cut.speech.played_s
        if isinstance(fact, PlaybackDone):
            played_s = cut.speech.sent_s if fact.played_s is None else fact.played_s
        self._close(cut, cut.speech.heard(played_s))

    def _await_report(self, cut: Cut) -> None:
        self.settle_account()
        self._context.cut = cut
        self._context.last_heard = cut.speech.heard(cut.speech.played_s) or self._context.last_heard
        self._timers.start("heard_wait", self._policy.heard_wait_s)

    def _close(self, cut: Cut, heard: str) -> None:
        speech = cut.speech
        if heard and not cut.withdrawn and speech.kind != "apology":
            self._context.last_heard = heard
        user_text = cut.user_text if speech.kind in ("answer", "apology") else ""
        self._scene.emit(
            TurnEnded(
                speech.turn,
                user_text,
                speech.text,
                heard,
                cut.interrupted and not cut.withdrawn and heard != speech.text,
                cut.withdrawn,
            )
        )


class Overlap:
    """Actions while the caller makes a sound over our answer."""

    __slots__ = ("_context", "_policy", "_scene", "_speaking", "_timers")

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._context = scene.context
        self._policy = scene.policy
        self._timers = scene.timers
        self._speaking = Speaking(scene)

    def duck(self) -> None:
        """Lower our voice, and begin to find out what this is."""
        context = self._context
        if context.speech is None and context.cut is not None:
            # The client still plays an answer we had stopped waiting for.
            context.speech, context.cut = context.cut.speech, None
            self._timers.cancel("heard_wait")
        context.overlap_at = context.now
        self._play("duck")
        self._timers.start("interrupt_max", self._policy.interrupt_max_s)

    def await_verdict(self) -> None:
        """A voice that lasts is believed, unless words are asked for."""
        self._scene.await_lasting_voice()

    def await_quiet(self, fact: Event) -> None:
        """A sound that does not come back is forgotten; it has been quiet since the true end of the voice."""
        quiet_s = fact.silence_s if isinstance(fact, SpeechStopped) else 0.0
        self._timers.cancel("barge_in_speech")
        self._timers.start("false_interruption", self._policy.false_interruption_s - quiet_s)

    def sound_again(self) -> None:
        """The caller makes a sound once more."""
        self._timers.cancel("false_interruption")

    def await_echo(self) -> None:
        """Our own voice may be what we hear: judge when the echo canceller has settled, or by the words alone."""
        speech = self._context.speech
        if speech is not None:
            left_s = speech.started_at + self._policy.echo_warmup_s - self._context.now
            if left_s > 0:
                self._timers.start("barge_in_speech", left_s)

    def meet_voice(self, machine: RaisesEvents, fact: Event) -> None:
        """The caller's voice was on before our first sound: they overlap."""
        machine.raise_("speech_started", fact=fact)

    def pause(self) -> None:
        """Fall silent, and keep the place."""
        if self._context.speech is not None:
            self._context.speech.pause(self._context.now)
        self._timers.cancel("playback_deadline")
        self._play("pause")

    def count_words(self, fact: Event) -> None:
        """Add up words over our answer that were too few to stop it."""
        context, text = self._context, self._scene.words_of(fact)
        context.over_answer = False
        if not self._scene.means_nothing(text, self._scene.doubt_of(fact)):
            context.overlap_text = f"{context.overlap_text} {text}".strip()

    def keep_words(self) -> None:
        """Let the turn begin with the words that had been too few: now they are enough."""
        context = self._context
        context.carried, context.overlap_text = self._scene.joined(context.overlap_text), ""

    def resume_speech(self) -> None:
        """It was nothing: go on as if it had not been; while no client is there, once there is one."""
        self.leave_overlap()
        if self._context.detached:
            return
        if self._context.speech is not None:
            self._context.speech.resume(self._context.now)
        self._play("resume")
        self._speaking.watch_playback()

    def take_floor(self) -> None:
        """The caller means it: stop, and take the turn back if our answer has hardly begun."""
        context = self._context
        self.leave_overlap()
        context.over_answer = False
        speech = context.speech
        early = speech is not None and context.overlap_at <= speech.started_at + self._policy.withdraw_s
        withdrawn = early and speech is not None and speech.kind == "answer" and self._policy.withdraw_s > 0
        if withdrawn:
            context.carried = context.user_text
        self._speaking.stop_speech("the caller speaks", interrupted=True, withdrawn=withdrawn)

    def leave_overlap(self) -> None:
        """Forget the timers of the interruption."""
        self._timers.cancel("barge_in_speech", "false_interruption", "interrupt_max")

    def _play(self, action: PlayoutAction) -> None:
        if self._context.speech is not None:
            self._scene.emit(Playout(self._context.speech.turn, action))
