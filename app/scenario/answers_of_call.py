"""What the answerer of a recorded call gave, and how fast answerer and voice were, as a scenario tells it."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from msgspec import Struct, field

from app.folding import Folded
from app.replay.known import AUDIO_S_PER_CHARACTER, FIRST_AUDIO_S, event_of
from app.scenario.format import Answer
from app.workers import BACKOFF_S
from statecharts.delivery import MAX_ATTEMPTS
from statecharts.effects import CancelSpeech, Drop, Effect, RequestAnswer, Speak
from statecharts.events import RagAnswerReady, RagFailed, TtsChunkReady, TtsDone, TtsFailed

__all__ = ["answers_of"]

RETRIES_S = sum(BACKOFF_S * 2**attempt for attempt in range(MAX_ATTEMPTS - 1))
"""What passes between the attempts of a request that fails every time."""


UNHEARD_S = 0.1
"""A first sound that did not come in time was to come so much later."""


class _Sentence(Struct):
    """One sentence, found or spoken; seconds after the request."""

    text: str
    after_s: float
    first_sound_s: float | None = None
    """After the sentence was there; None: it was never heard."""
    sent_s: float = 0.0
    told_s: float = 0.0
    """All of its audio, once the voice has said how much that is."""
    ended: bool = False
    voices_failed: int = 0

    @property
    def audio_s(self) -> float:
        """Seconds of its audio, as far as it is known."""
        return self.told_s or self.sent_s

    @property
    def whole(self) -> bool:
        """Whether that is all of it."""
        return self.ended or self.told_s > 0


class _Asked(Struct):
    """One request to the answerer."""

    turn: int
    at: float
    found: list[_Sentence] = field(default_factory=list)
    """What the answerer said."""
    said: list[_Sentence] = field(default_factory=list)
    """What was spoken for it: a fixed phrase, where the intent has one."""
    ended_s: float | None = None
    cancelled_s: float | None = None
    failed: bool = False


class _Typical(Struct, frozen=True):
    """How this call's voice speaks: for what it was asked and not heard to say."""

    pace: float
    """Seconds a character."""
    first_sound_s: float


def answers_of(run: Sequence[Folded]) -> list[Answer]:
    """Return one answer for each request, in order."""
    asked = _requests(run)
    spoken = [sentence for one in asked.values() for sentence in one.said if sentence.audio_s]
    whole = [sentence for sentence in spoken if sentence.whole]
    typical = _Typical(
        pace=median(one.audio_s / len(one.text) for one in whole) if whole else AUDIO_S_PER_CHARACTER,
        first_sound_s=median(one.first_sound_s or 0.0 for one in spoken) if spoken else FIRST_AUDIO_S,
    )
    over_at = run[-1].record.at
    return [_answer(one, typical, over_at - one.at) for one in asked.values()]


def _requests(run: Sequence[Folded]) -> dict[str, _Asked]:
    asked: dict[str, _Asked] = {}
    said: dict[str, tuple[_Sentence, float]] = {}
    for folded in run:
        at, event = folded.record.at, event_of(folded)
        copy = any(isinstance(effect, Drop) and effect.reason == "seen before" for effect in folded.effects)
        if isinstance(event, (RagAnswerReady, RagFailed)) and event.request_id in asked and not copy:
            _note_result(asked[event.request_id], event, at)
        elif isinstance(event, TtsChunkReady) and event.request_id in said:
            _note_sound(said, event, at)
        elif isinstance(event, TtsDone) and event.request_id in said:
            said[event.request_id][0].ended = True
        elif isinstance(event, TtsFailed) and event.request_id in said:
            said[event.request_id][0].voices_failed += 1
        for effect in folded.effects:
            _note_effect(asked, said, effect, at)
    return asked


def _note_sound(said: dict[str, tuple[_Sentence, float]], event: TtsChunkReady, at: float) -> None:
    sentence, asked_at = said[event.request_id]
    if sentence.first_sound_s is None:
        sentence.first_sound_s = at - asked_at
        # Audio of a later sentence says that the one before it is whole.
        for earlier in list(said)[: list(said).index(event.request_id)]:
            said[earlier][0].ended = said[earlier][0].ended or said[earlier][0].sent_s > 0
    sentence.sent_s += event.audio_ms / 1000
    sentence.told_s = sentence.told_s or event.sentence_ms / 1000
    sentence.ended = sentence.ended or event.is_final


def _note_result(request: _Asked, event: RagAnswerReady | RagFailed, at: float) -> None:
    if isinstance(event, RagFailed):
        request.failed, request.ended_s = True, at - request.at
        return
    request.found += [_Sentence(event.text, at - request.at)] if event.text.strip() else []
    request.ended_s = at - request.at if event.is_final else None


def _note_effect(asked: dict[str, _Asked], said: dict[str, tuple[_Sentence, float]], effect: Effect, at: float) -> None:
    match effect:
        case RequestAnswer():
            asked[effect.request_id] = _Asked(effect.turn, at)
        case CancelSpeech():
            for request in asked.values():
                if request.turn == effect.turn and request.cancelled_s is None:
                    request.cancelled_s = at - request.at
        case Speak(kind="answer", text=text) if text:
            spoken = asked.get(effect.request_id.rpartition(".")[0])
            if spoken is not None and effect.again:  # of another voice; the sentence is the same
                for sentence in (one for one in spoken.said if one.text == text):
                    said[effect.request_id] = sentence, at
            elif spoken is not None:
                spoken.said.append(_Sentence(text, at - spoken.at))
                said[effect.request_id] = spoken.said[-1], at


def _answer(asked: _Asked, typical: _Typical, rest_s: float) -> Answer:
    if asked.failed and asked.ended_s is not None:
        return Answer(fails=True, first_s=_ms(max(0.0, asked.ended_s - RETRIES_S) / MAX_ATTEMPTS))
    sentences = asked.said or asked.found
    if not sentences and asked.ended_s is None:
        # Nobody saw its end: it is later than anything that happened.
        return Answer(nothing=True, first_s=_ms(rest_s + 1.0), all_s=_ms(rest_s + 1.0))
    if not sentences:
        return Answer(nothing=True, first_s=0.0, all_s=_ms(asked.ended_s or 0.0))
    first_s, all_s = _pace(sentences)
    lengths = (one.audio_s if one.whole else max(one.audio_s, len(one.text) * typical.pace) for one in sentences)
    return Answer(
        text=" ".join(sentence.text.strip() for sentence in sentences), first_s=_ms(first_s), all_s=_ms(all_s),
        voice_s=_ms(sum(lengths)), voice_first_s=_ms(_first_sound_s(asked, sentences[0], typical)),
        voices_fail=max(sentence.voices_failed for sentence in sentences),
    )  # fmt: skip


def _first_sound_s(asked: _Asked, first: _Sentence, typical: _Typical) -> float:
    if first.first_sound_s is not None:
        return first.first_sound_s
    if asked.cancelled_s is None:
        return typical.first_sound_s
    # It was not heard until it was cancelled, whatever the voice usually takes.
    return max(typical.first_sound_s, asked.cancelled_s - first.after_s + UNHEARD_S)


def _pace(sentences: Sequence[_Sentence]) -> tuple[float, float]:
    """Return when the first and the last word were there: the words between them come evenly."""
    all_s = sentences[-1].after_s
    words = [len(sentence.text.split()) for sentence in sentences]
    share = (words[0] - 1) / (sum(words) - 1) if len(words) > 1 else 1.0
    first_s = (sentences[0].after_s - share * all_s) / (1 - share) if share < 1 else all_s
    return max(0.0, min(first_s, all_s)), all_s


def _ms(seconds: float) -> float:
    return round(seconds, 3)
