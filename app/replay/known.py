"""What a recorded call tells of its world: how long workers and voice took, what they said, how the client plays."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import median

from msgspec import Struct, field

from app.folding import Folded
from statecharts.effects import CommitSpeech, Drop, Effect, Playout, RequestAnswer, RequestIntent, Speak, StateChanged
from statecharts.events import (
    Event,
    IntentDetected,
    IntentFailed,
    InvalidEvent,
    PlaybackDone,
    PlaybackProgress,
    PlaybackStarted,
    RagAnswerReady,
    RagFailed,
    SttFinal,
    SttPartial,
    TimerFired,
    TtsChunkReady,
    TtsDone,
    TtsFailed,
    to_event,
)

__all__ = ["Known", "Results", "Spoken", "Words", "begins_utterance", "event_of", "is_of_caller"]

_OF_WORKERS = (IntentDetected, IntentFailed, RagAnswerReady, RagFailed)
_OF_VOICE = (TtsChunkReady, TtsDone, TtsFailed)
_OF_PLAYER = (PlaybackStarted, PlaybackProgress, PlaybackDone)
AT_ONCE_S = 0.03
"""What is sent so soon after it was allowed to be was ready before."""
FIRST_AUDIO_S, AUDIO_S_PER_CHARACTER, REPORT_S = 0.3, 0.065, 0.02
"""Where a recording says nothing: a voice's first audio, its pace (some 15 characters a second), a client's report."""


class Spoken(Struct):
    """What the voice made of one sentence. Times count while nothing is paused."""

    chunks: list[tuple[float, float]] = field(default_factory=list)
    """Seconds after the first chunk, and seconds of audio."""
    ready_s: float = 0.0
    """Seconds from the request to the first chunk."""
    measured: bool = False
    """Whether that is how long it took; else it was ready by then, and waited for something else."""
    whole: bool = False
    """Nothing of it is missing."""
    whole_s: float = 0.0
    """Seconds of all its audio, if the voice said so before it was stopped; else 0."""

    @property
    def audio_s(self) -> float:
        """Seconds of audio that were sent."""
        return sum(audio_s for _, audio_s in self.chunks)


class Results(Struct):
    """What one request to a worker brought."""

    text: str
    of_intent: bool
    asked_at: float
    came: list[tuple[float, Event]]
    """Seconds after the request, and what came."""

    @property
    def complete(self) -> bool:
        """Whether nothing more was to come."""
        return any(not isinstance(event, RagAnswerReady) or event.is_final for _, event in self.came)


class _Asked(Struct):
    speak: Speak
    said: Spoken
    at: float
    allowed_at: float
    """When it might be sent: at once, or when the guess was right."""
    first_at: float = 0.0


class _Clock(Struct):
    """How long one turn's voice stood still."""

    paused_s: float = 0.0
    since: float | None = None

    def steer(self, at: float, *, paused: bool) -> None:
        if paused:
            self.since = at if self.since is None else self.since
        elif self.since is not None:
            self.paused_s += at - self.since
            self.since = None


class Words(Struct, frozen=True):
    """What one recognition added to its utterance."""

    before: tuple[int, ...]
    """Numbers of the final words before it in the same utterance."""
    own: str


def event_of(folded: Folded) -> Event | None:
    """Return the fact that was folded; None if it was none."""
    try:
        return to_event(folded.envelope)
    except InvalidEvent:
        return None


def is_of_caller(event: Event | None) -> bool:
    """Return whether a fact is the caller's or an outsider's doing: nothing of ours caused it."""
    return not isinstance(event, (*_OF_WORKERS, *_OF_VOICE, *_OF_PLAYER, TimerFired))


def begins_utterance(effects: Sequence[Effect]) -> bool:
    """Return whether the gateway's ear begins a new utterance on these effects."""
    return any(
        effect.new_state == "THINKING" or effect.substate == "quiet" or effect.trigger == "resumed"
        for effect in effects
        if isinstance(effect, StateChanged)
    )


class Known:
    """Everything that a recorded run tells, by the words it was told of."""

    def __init__(self, run: Sequence[Folded]) -> None:
        self._run = [(folded, event_of(folded)) for folded in run]
        self._results: dict[str, Results] = {}
        self.spoken: dict[str, Spoken] = {}
        self.words: dict[int, Words] = {}
        """By the number of the fact, from 0."""
        self._gather_results()
        self._gather_voice()
        self._gather_words()
        self.first_audio_s = _typical([said.ready_s for said in self.spoken.values() if said.measured], FIRST_AUDIO_S)
        paces = [
            (said.whole_s or said.audio_s) / len(text)
            for text, said in self.spoken.items()
            if said.whole or said.whole_s
        ]
        self.pace = _typical(paces, AUDIO_S_PER_CHARACTER)
        self.reports = any(isinstance(event, _OF_PLAYER) for _, event in self._run)
        self.started_after_s = _typical(list(self._start_delays()), REPORT_S)

    def results_for(self, request: RequestIntent | RequestAnswer) -> Results | None:
        """Return what came when this was asked; if nobody did, what came for the question asked last."""
        complete = [
            results
            for results in self._results.values()
            if results.of_intent is isinstance(request, RequestIntent) and results.complete
        ]
        same = [results for results in complete if results.text == request.text]
        return next(reversed(same or complete), None)

    def _gather_results(self) -> None:
        latest: dict[tuple[int, bool], str] = {}
        for folded, event in self._run:
            # Those that came too late to be taken tell as well what came, and when.
            if isinstance(event, _OF_WORKERS) and not _is_copy(folded):
                of_intent = isinstance(event, (IntentDetected, IntentFailed))
                request_id = event.request_id or latest.get((event.turn, of_intent), "")
                if (results := self._results.get(request_id)) is not None:
                    results.came.append((folded.record.at - results.asked_at, event))
            for effect in folded.effects:
                if isinstance(effect, (RequestIntent, RequestAnswer)):
                    of_intent = isinstance(effect, RequestIntent)
                    latest[effect.turn, of_intent] = effect.request_id
                    self._results[effect.request_id] = Results(effect.text, of_intent, folded.record.at, [])

    def _gather_voice(self) -> None:
        asked: dict[str, _Asked] = {}
        clocks: dict[int, _Clock] = {}
        for folded, event in self._run:
            at = folded.record.at
            if isinstance(event, (TtsChunkReady, TtsDone)) and (request_id := _request(event, asked)):
                self._note_audio(event, at - clocks.setdefault(event.turn, _Clock()).paused_s, asked[request_id])
                self._finish_earlier(asked, asked[request_id].speak)
            for effect in folded.effects:
                match effect:
                    case Speak() if effect.text and effect.text not in self.spoken:
                        said = self.spoken[effect.text] = Spoken()
                        asked[effect.request_id] = _Asked(effect, said, at, math.inf if effect.speculative else at)
                    case CommitSpeech():
                        for waiting in asked.values():
                            if waiting.speak.turn == effect.turn:
                                waiting.allowed_at = min(waiting.allowed_at, at)
                    case Playout(action="pause" | "resume"):
                        clocks.setdefault(effect.turn, _Clock()).steer(at, paused=effect.action == "pause")

    def _note_audio(self, event: TtsChunkReady | TtsDone, at: float, asked: _Asked) -> None:
        said = asked.said
        if isinstance(event, TtsChunkReady):
            if not said.chunks:
                # What was ready before it was allowed out tells only how long it took at most.
                said.measured = at - asked.allowed_at > AT_ONCE_S
                said.ready_s = max(0.0, (at if said.measured else asked.allowed_at) - asked.at)
                asked.first_at = at
            said.chunks.append((at - asked.first_at, event.audio_ms / 1000))
            said.whole_s = event.sentence_ms / 1000 or said.whole_s
        said.whole = said.whole or isinstance(event, TtsDone) or event.is_final

    def _finish_earlier(self, asked: dict[str, _Asked], speak: Speak) -> None:
        """Audio of a later sentence says that those before it are whole."""
        for earlier in asked.values():
            if earlier.speak.request_id == speak.request_id:
                return
            if earlier.speak.turn == speak.turn and earlier.said.chunks:
                earlier.said.whole = True

    def _gather_words(self) -> None:
        finals: list[tuple[int, str]] = []
        for number, (folded, event) in enumerate(self._run):
            if isinstance(event, (SttPartial, SttFinal)) and event.origin == "voice":
                said = len(finals[-1][1].split()) if finals else 0
                own = " ".join(event.text.split()[said:])
                self.words[number] = Words(tuple(index for index, _ in finals), own)
                if isinstance(event, SttFinal):
                    finals.append((number, event.text))
            if begins_utterance(folded.effects):
                finals = []

    def _start_delays(self) -> Iterator[float]:
        first: dict[int, float] = {}
        for folded, event in self._run:
            if isinstance(event, TtsChunkReady):
                first.setdefault(event.turn, folded.record.at)
            if isinstance(event, PlaybackStarted) and event.turn in first:
                yield folded.record.at - first[event.turn]


def _is_copy(folded: Folded) -> bool:
    return any(isinstance(effect, Drop) and effect.reason == "seen before" for effect in folded.effects)


def _request(event: TtsChunkReady | TtsDone, asked: dict[str, _Asked]) -> str:
    """Return which request an audio fact is about: the latest of its turn, if it does not say; empty if none."""
    if event.request_id:
        return event.request_id if event.request_id in asked else ""
    return next((name for name, waiting in reversed(asked.items()) if waiting.speak.turn == event.turn), "")


def _typical(values: Sequence[float], otherwise: float) -> float:
    return median(values) if values else otherwise
