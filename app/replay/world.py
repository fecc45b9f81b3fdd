"""What a call's world would have done: recogniser, workers, voice and player, as its recording knows them.

Workers and voice take as long as they took; a sentence that was cut before its end, or never spoken, is as long as the
voice had said, or as its letters at the pace of the others. The client plays in real time and reports as it did. Where
the recording cannot know (nobody asked that question then), what came for the question asked last stands in.
`assumptions` names all of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from app.replay.agenda import Agenda
from app.replay.known import Known, begins_utterance
from app.replay.voice_again import VoiceAgain
from statecharts.effects import (
    CancelFiller,
    CancelSpeech,
    CancelTasks,
    CommitSpeech,
    Effect,
    Playout,
    RequestAnswer,
    RequestIntent,
    Speak,
)
from statecharts.events import (
    Connected,
    Disconnected,
    Event,
    PlaybackDone,
    SttFinal,
    SttPartial,
    TtsChunkReady,
    TtsDone,
)

__all__ = ["World"]


class World:
    """Reacts to effects with facts, at times of its own.

    Args:
        known: What the recording tells.
    """

    def __init__(self, known: Known) -> None:
        self._known = known
        self.agenda = Agenda()
        self._voice = VoiceAgain(known, self.agenda)
        self._heard: list[int] = []

    def notice(self, event: Event | None, at: float, number: int | None = None) -> None:
        """See a fact pass, whoever brought it; `number` is a recorded one's."""
        match event:
            case TtsChunkReady():
                self._voice.receive(event, at)
            case TtsDone():
                self._voice.all_sent(event.turn, at)
            case PlaybackDone():
                self._voice.forget(event.turn)
            case Connected() | Disconnected():
                self._voice.pause(at, away=isinstance(event, Disconnected))
            case SttFinal() if number is not None and event.origin == "voice":
                self._heard.append(number)

    def react(self, effects: Sequence[Effect], at: float) -> None:
        """Begin what effects ask for."""
        if begins_utterance(effects):
            self._heard = []
        for effect in effects:
            match effect:
                case RequestIntent() | RequestAnswer():
                    self._ask(effect, at)
                case CancelTasks():
                    self.agenda.cancel(effect.turn, of_voice=False)
                case Speak():
                    self._voice.speak(effect, at)
                case CommitSpeech():
                    self._voice.commit(effect.turn, at)
                case CancelSpeech() | CancelFiller():
                    self._voice.cancel(effect.turn, at, only_filler=isinstance(effect, CancelFiller))
                case Playout(action="pause" | "resume"):
                    self._voice.pause(at, paused=effect.action == "pause")
                case Playout(action="stop"):
                    self._voice.stop(effect.turn, at)

    def words(self, event: Event, number: int) -> Event:
        """Return recognised words as the ear would have cut them: all since the utterance began here, and no others."""
        words = self._known.words.get(number)
        if words is None or words.before == tuple(self._heard) or not isinstance(event, (SttPartial, SttFinal)):
            return event
        pieces = [self._known.words[before].own for before in self._heard] + [words.own]
        return msgspec.structs.replace(event, text=" ".join(filter(None, pieces)))

    def _ask(self, request: RequestIntent | RequestAnswer, at: float) -> None:
        found, assumed = self._known.results_for(request), ""
        if found is None or found.text != request.text:
            came = f"what came for {found.text!r} stands in" if found is not None else "no answer comes"
            assumed = f"nobody had {request.text!r} answered then: {came}"
        if found is None:
            self.agenda.assumptions[assumed] = None
            return
        for delay_s, event in found.came:
            ours = msgspec.structs.replace(event, turn=request.turn, request_id=request.request_id)
            self.agenda.put(ours, at + delay_s, at, of_voice=False, assumed=assumed)
