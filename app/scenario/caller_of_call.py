"""What the caller of a recorded call did, as a scenario tells it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from app.folding import Folded
from app.gateway.ear import PRE_ROLL_S
from app.gateway.keypad import PAUSE_S
from app.gateway.voice_activity import CHUNK_S, ONSET_CHUNKS
from app.replay.known import begins_utterance, event_of
from app.scenario.format import CallerAct, HangsUp, Keys, Types, Voice
from statecharts.events import KeyPressed, SessionEnded, SpeechStarted, SpeechStopped, SttFailed, SttFinal, SttPartial

__all__ = ["acts_of"]

ONSET_S = ONSET_CHUNKS * CHUNK_S
"""How much later than it began a voice is noticed."""
SPLIT_S = 0.02
"""A voice that goes on while words of it are known is told as two: the first ends so much before they are."""
OVERTAKEN_S = 0.1
"""Words that never came, because the voice was back before, are due so much after it was noticed again."""
_KEYS = "DTMF: "


class _Voice(Struct):
    """One stretch of voice; times are Unix seconds."""

    start: float
    onset_s: float = ONSET_S
    """How much later than `start` it was noticed."""
    end: float = 0.0
    noticed_s: float = 0.0
    """How much later than `end` its end was noticed; 0: it was not."""
    text: str = ""
    """All words of its utterance, as they were known at its end."""
    known_at: float = 0.0
    draft_at: float = 0.0
    """When words of it were first told after its end, before they were final; 0: never."""
    failed: bool = False
    """The recogniser failed on it, at `known_at`."""
    own: str = ""


def acts_of(run: Sequence[Folded], zero: float) -> list[CallerAct]:
    """Return what the caller did, in order; `zero` is the Unix time at which they connected."""
    voices = list(_voices(run))
    acts: list[tuple[float, CallerAct]] = []
    for number, voice in enumerate(voices):
        following = voices[number + 1] if number + 1 < len(voices) else None
        acts.append((voice.start, _told(voice, following, zero)))
    acts += _other_acts(run, zero)
    return [act for _, act in sorted(acts, key=lambda act: act[0])]


def _told(voice: _Voice, following: _Voice | None, zero: float) -> Voice:
    known_at = voice.known_at
    if not known_at and voice.draft_at:  # a draft comes half way to the final words
        known_at = 2 * voice.draft_at - voice.end
    elif not known_at and following is not None:
        known_at = following.start + following.onset_s + OVERTAKEN_S
    return Voice(
        voice=(_since(zero, voice.start), _since(zero, voice.end)), text=voice.own,
        final_after=_since(voice.end, known_at) if known_at else 0.0, interim=bool(voice.draft_at),
        final=bool(known_at) and (bool(voice.known_at) or not voice.draft_at),
        fails=voice.failed,
        detector=(round(voice.onset_s, 3), round(voice.noticed_s, 3)),
    )  # fmt: skip


def _voices(run: Sequence[Folded]) -> Iterator[_Voice]:
    """Yield the stretches of voice, each with the words that it added to its utterance."""
    hearing = _Hearing()
    for folded in run:
        hearing.take(folded)
    for utterance in hearing.utterances:
        yield from _with_own_words(utterance)


class _Hearing:
    """Makes utterances of voice out of what detector and recogniser said."""

    def __init__(self) -> None:
        self.utterances: list[list[_Voice]] = [[]]
        self._heard: _Voice | None = None
        self._draft = 0.0, ""
        """Words of the voice that goes on: when they came last, and what they were."""

    def take(self, folded: Folded) -> None:
        """Take the next fact of the call."""
        at, event = folded.record.at, event_of(folded)
        match event:
            case SpeechStarted():
                self._heard = self._begun(at)
                self._draft = 0.0, ""
            case SpeechStopped() if self._heard is not None:
                self._end(self._heard, at - event.silence_s, event.silence_s)
            case SttFinal() | SttPartial() if event.origin == "voice":
                self._take_words(folded, event, at)
            case SttFailed() if self._heard is None and (last := self._last()) is not None:
                last.failed, last.known_at = True, at
            case SessionEnded() if self._heard is not None:
                self._end(self._heard, at, 0.0)
        if begins_utterance(folded.effects) and self.utterances[-1]:
            self.utterances.append([])

    def _begun(self, at: float) -> _Voice:
        last = self._last()
        start = max(last.end if last else 0.0, at - ONSET_S)
        if last is not None and not self.utterances[-1]:
            # What is heard of an utterance begins before it, and what was taken up already is not told again.
            start = min(at, max(start, last.end + PRE_ROLL_S))
        return _Voice(start=start, onset_s=at - start)

    def _last(self) -> _Voice | None:
        return next((voices[-1] for voices in reversed(self.utterances) if voices), None)

    def _end(self, heard: _Voice, end: float, noticed_s: float) -> None:
        last = self._last()
        if heard.start >= end and last is not None:
            # Words that came after its end, before that was noticed, cut it: nothing is left of the voice.
            last.draft_at, last.known_at = last.known_at, 0.0
            heard = last
        else:
            self.utterances[-1].append(heard)
            if self._draft[0] >= end:
                heard.draft_at, heard.text = self._draft
        heard.end, heard.noticed_s = end, noticed_s
        self._heard = None

    def _take_words(self, folded: Folded, event: SttFinal | SttPartial, at: float) -> None:
        last, heard = self._last(), self._heard
        if heard is not None and _mattered(folded, event):
            self.utterances[-1].append(_cut(heard, at, event.text))
            self._heard = _Voice(start=self.utterances[-1][-1].end)
        elif heard is not None:
            self._draft = at, event.text
        elif last is not None and isinstance(event, SttFinal):
            last.text, last.known_at = event.text, at
        elif last is not None:
            last.text, last.draft_at = event.text, last.draft_at or at


def _mattered(folded: Folded, event: SttFinal | SttPartial) -> bool:
    """Return whether words that came while the voice went on have to be told: a piece, or they changed the state."""
    states = {path.split(".")[0] for path in (folded.record.before, folded.record.after)}
    return isinstance(event, SttFinal) or len(states) > 1


def _cut(heard: _Voice, at: float, text: str) -> _Voice:
    return _Voice(
        start=heard.start, onset_s=heard.onset_s, end=max(heard.start + 0.001, at - SPLIT_S), text=text, known_at=at
    )


def _with_own_words(utterance: Sequence[_Voice]) -> Iterator[_Voice]:
    """Share the words that were known last among the voices they belong to."""
    known = [voice for voice in utterance if voice.known_at or voice.draft_at]
    words = known[-1].text.split() if known else []
    told = 0
    for voice in utterance:
        until = len(words) if known and voice is known[-1] else min(len(voice.text.split()), len(words))
        voice.own = " ".join(words[told:until])
        told = max(told, until)
        yield voice


def _other_acts(run: Sequence[Folded], zero: float) -> Iterator[tuple[float, CallerAct]]:
    pressed_at: float | None = None
    for folded in run:
        at, event = folded.record.at, event_of(folded)
        match event:
            case KeyPressed():
                pressed_at = at
            case SttFinal(origin="typed", text=text) if text.startswith(_KEYS):
                keys = text.removeprefix(_KEYS)
                entered_at = at if keys.endswith("#") else max(pressed_at or 0.0, at - PAUSE_S)
                if pressed_at is not None and len(keys) > 1:
                    yield pressed_at, Keys(at=_since(zero, pressed_at), keys=keys[0])
                    keys = keys[1:]
                yield entered_at, Keys(at=_since(zero, entered_at), keys=keys)
                pressed_at = None
            case SttFinal(origin="typed", text=text) if text.strip():
                yield at, Types(at=_since(zero, at), types=text)
            case SessionEnded():
                yield at, HangsUp(at=_since(zero, at), hangs_up=True)


def _since(zero: float, at: float) -> float:
    return max(0.0, round(at - zero, 3))
