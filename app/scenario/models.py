"""The scripted models: detector, recogniser, intents, answerer and voice, each behind its port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

from adapters.answers.port import Judgement, Sentence
from adapters.answers.sentences import split_sentences
from adapters.recognisers.port import Recognised, RecogniserFailed
from adapters.voices.port import SpeechPiece, VoiceFailed
from app.gateway.voice_activity import Edge, Heard
from app.scenario.format import Answer, Voice
from app.scenario.script import Script, samples_of
from statecharts.delivery import MAX_ATTEMPTS
from statecharts.events import VoicechartError

__all__ = ["Clock", "ScriptedActivity", "ScriptedAnswerer", "ScriptedIntents", "ScriptedRecogniser", "ScriptedVoice"]

VOICE_RATE_HZ = 16_000
UNSCRIPTED_S = 1.0
"""How long an apology or a filler takes to say."""

Clock = Callable[[], float]
"""Tells the seconds since the call began."""


class ScriptedActivity:
    """Notices the voice when the script says so, to the sample."""

    def __init__(self, script: Script) -> None:
        self._edges = list(script.edges)
        self._samples = 0
        self._voice_on = False

    def hear(self, pcm: bytes) -> Iterator[Heard]:
        """Cut the audio at every edge."""
        end = self._samples + len(pcm) // 2
        while self._edges and samples_of(self._edges[0].at) <= end:
            edge = self._edges.pop(0)
            size = (samples_of(edge.at) - self._samples) * 2
            self._samples += size // 2
            self._voice_on = edge.voice
            yield Heard(pcm[:size], self._voice_on, Edge(edge.voice, edge.since_s))
            pcm = pcm[size:]
        self._samples = end
        if pcm:
            yield Heard(pcm, self._voice_on)

    def noticed(self, pcm: bytes, *, anew: bool) -> bool:
        """Tell of nothing before the script does."""
        return False


class ScriptedRecogniser:
    """Knows the words of the voices that end in its audio, when the script says so."""

    def __init__(self, script: Script, clock: Clock) -> None:
        self._script = script
        self._clock = clock
        self._drafted: set[tuple[Voice, int]] = set()
        """What a draft was given of: the last voice, and the bytes of audio it came in."""

    async def recognise(self, pcm: bytes, *, deadline: float = 0.0) -> Recognised:
        """Return the interim text when it is due, and asked again the final one."""
        voices = self._script.ended_in(pcm)
        draft = False
        if voices:
            last = voices[-1]
            draft = last.interim and bool(last.text) and (last, len(pcm)) not in self._drafted
            await _until((last.interim_at if draft else last.final_at), self._clock)
            if last.fails and not draft:
                raise RecogniserFailed("the scenario has the recogniser fail")
            if draft:
                self._drafted.add((last, len(pcm)))
            elif not last.final:
                await asyncio.Event().wait()
        text = " ".join(voice.text for voice in voices if voice.text)
        return Recognised(text=text, confidence=1.0, audio_s=len(pcm) / 2 / VOICE_RATE_HZ, took_s=0.0, draft=draft)

    def close(self) -> None:
        """It has no threads."""


class ScriptedIntents:
    """Takes everything for a question."""

    def classify(self, text: str) -> Judgement:
        return Judgement(intent="question", confidence=1.0)


class AnswerFailed(VoicechartError):
    """The script says that this answer fails."""


class ScriptedAnswerer:
    """Gives one answer a request, in the order of the script; when none is left it finds nothing to say."""

    def __init__(self, answers: list[Answer], clock: Clock) -> None:
        self._answers = list(answers)
        self._clock = clock
        self._failing: dict[str, tuple[Answer, int]] = {}
        """Answers that fail and how often they are still asked for again, by the request's text."""
        self.spoken: dict[str, tuple[float, float, int]] = {}
        """How long each sentence takes to say, after how long its first audio is there, and how many voices fail."""
        self.running = 0
        """Requests it has not answered yet."""

    async def answer(self, text: str) -> AsyncIterator[Sentence]:
        """Yield each sentence when its last word is there; the words come evenly between the first and the last."""
        self.running += 1
        try:
            asked_at = self._clock()
            answer = self._next(text)
            if answer.fails:
                await _until(asked_at + answer.first_s, self._clock)
                raise AnswerFailed("the scenario has this answer fail")
            for sentence, ready_s, is_final in self._prepare(answer):
                await _until(asked_at + ready_s, self._clock)
                yield Sentence(text=sentence, source="scenario", score=1.0, is_final=is_final)
        finally:
            self.running -= 1

    def _next(self, text: str) -> Answer:
        failing, retries = self._failing.get(text, (Answer(), 0))
        if retries:
            self._failing[text] = failing, retries - 1
            return failing
        if not self._answers:
            return Answer(nothing=True, first_s=0.0, all_s=0.0)
        answer = self._answers.pop(0)
        if answer.fails:
            self._failing[text] = answer, MAX_ATTEMPTS - 1
        return answer

    def _prepare(self, answer: Answer) -> Iterator[tuple[str, float, bool]]:
        sentences = [] if answer.nothing else split_sentences(answer.text)
        if not sentences:
            yield "", answer.all_s, True
            return
        words, chars = len(answer.text.split()), sum(map(len, sentences))
        said = 0
        for number, sentence in enumerate(sentences, 1):
            said += len(sentence.split())
            share = (said - 1) / (words - 1) if words > 1 else 1.0
            first_s = answer.voice_first_s if number == 1 else 0.0
            self.spoken[sentence] = answer.voice_s * len(sentence) / chars, first_s, answer.voices_fail
            yield sentence, answer.first_s + share * max(0.0, answer.all_s - answer.first_s), number == len(sentences)


class ScriptedVoice:
    """Speaks silence of the length that the script gives a sentence.

    Args:
        answerer: Knows the sentences.
        rank: How many better voices there are.
    """

    name = "scripted"

    def __init__(self, answerer: ScriptedAnswerer, rank: int = 0) -> None:
        self._answerer = answerer
        self._rank = rank

    async def synthesise(self, text: str, *, deadline: float = 0.0) -> AsyncIterator[SpeechPiece]:
        """Yield all of it as soon as the first audio is due."""
        audio_s, first_s, failing = self._spoken(text)
        if self._rank < failing:
            raise VoiceFailed("the scenario has this voice fail")
        await asyncio.sleep(first_s)
        left = round(audio_s * VOICE_RATE_HZ)
        while left > 0:
            size = min(left, VOICE_RATE_HZ)
            yield SpeechPiece(pcm=bytes(size * 2), rate_hz=VOICE_RATE_HZ)
            left -= size

    def close(self) -> None:
        """It has no threads."""

    def _spoken(self, text: str) -> tuple[float, float, int]:
        """Return how long a sentence, or a clause of one, takes, when its first audio is there, who fails on it."""
        for sentence, (audio_s, first_s, failing) in reversed(self._answerer.spoken.items()):
            if text in sentence:
                return audio_s * len(text) / len(sentence), first_s if sentence.startswith(text) else 0.0, failing
        return UNSCRIPTED_S, Answer().voice_first_s, 0


async def _until(moment: float, clock: Clock) -> None:
    await asyncio.sleep(max(0.0, moment - clock()))
