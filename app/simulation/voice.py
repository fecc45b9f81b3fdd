"""The voice and the player of a simulated call: both take their time, and say what they did."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from random import Random

import msgspec
from msgspec import Struct

from statecharts.effects import Medium
from statecharts.events import Event, Kind, PlaybackDone, PlaybackStarted, TtsChunkReady, TtsDone, TtsFailed

__all__ = ["SimulatedVoice"]

VOICES = 2


class _Sentence(Struct, eq=False):
    turn: int
    text: str
    is_final: bool
    kind: Kind
    request_id: str
    speculative: bool = False
    voice: int = 0
    medium: Medium = "voice"
    dropped: bool = False


class _Sound(Struct):
    turn: int
    kind: Kind
    audio_s: float
    is_final: bool


class SimulatedVoice:
    """Says what is wanted and plays it, instead of `app.gateway.mouth.Mouth` and a client.

    Args:
        hear: Takes each fact.
        random: How long things take, and when the voice fails.
        reports: Whether the client says what it played.
    """

    def __init__(self, hear: Callable[[Event], object], random: Random, *, reports: bool) -> None:
        self.hear = hear
        self._random = random
        self._reports = reports
        self._wanted: deque[_Sentence] = deque()
        self._committed: set[int] = set()
        self._sounds: deque[_Sound] = deque()
        self._sent: set[tuple[int, Kind]] = set()
        self._played: dict[tuple[int, Kind], float] = {}
        self._paused = False
        self._asked = asyncio.Event()
        self._sounding = asyncio.Event()

    def obey(self, effect: dict[str, object]) -> None:
        """Do what is asked of a voice; what is asked of others is no matter."""
        match effect.get("effect"):
            case "Speak":
                self._wanted.append(msgspec.convert(effect, _Sentence))
            case "CommitSpeech":
                self._committed.add(_turn(effect))
            case "CancelSpeech":
                self._drop([sentence for sentence in self._wanted if sentence.turn == _turn(effect)])
            case "CancelFiller":
                self._drop([sentence for sentence in self._wanted if sentence.kind == "filler"])
            case "Playout":
                self._steer(str(effect.get("action")), _turn(effect))
        self._asked.set()

    async def speak(self) -> None:
        """Say what is wanted, one sentence after the other, until cancelled."""
        while True:
            sentence = self._next_sentence()
            if sentence is None:
                self._asked.clear()
                await self._asked.wait()
                continue
            await asyncio.sleep(self._random.random() ** 2 * 0.2)
            if sentence.dropped:
                continue
            self._wanted.remove(sentence)
            if sentence.text and sentence.medium == "voice" and self._random.random() < 0.02:
                self._fail(sentence)
            else:
                self._send(sentence)

    async def play(self) -> None:
        """Play what was sent, one chunk after the other, until cancelled."""
        while True:
            if self._paused or not self._sounds:
                self._sounding.clear()
                await self._sounding.wait()
                continue
            sound = self._sounds[0]
            key = (sound.turn, sound.kind)
            if key not in self._played:
                self._played[key] = 0.0
                self._report(PlaybackStarted(turn=sound.turn, kind=sound.kind, played_s=0.0))
            await asyncio.sleep(sound.audio_s)
            if not self._sounds or self._sounds[0] is not sound:
                continue
            self._sounds.popleft()
            self._played[key] += sound.audio_s
            if sound.is_final:
                self._report(PlaybackDone(turn=sound.turn, kind=sound.kind, played_s=self._played[key]))

    def _next_sentence(self) -> _Sentence | None:
        ready = (each for each in self._wanted if not each.speculative or each.turn in self._committed)
        return next(ready, None)

    def _fail(self, sentence: _Sentence) -> None:
        failed = sentence.turn, sentence.voice
        self._drop([other for other in self._wanted if (other.turn, other.voice) == failed])
        left = max(0, VOICES - 1 - sentence.voice)
        self.hear(TtsFailed(error="as simulated", request_id=sentence.request_id, turn=sentence.turn, voices_left=left))

    def _send(self, sentence: _Sentence) -> None:
        turn, final = sentence.turn, sentence.is_final
        if sentence.text and sentence.medium == "voice":
            audio_s = 0.05 + 0.2 * self._random.random()
            self._sent.add((turn, sentence.kind))
            self._sounds.append(_Sound(turn, sentence.kind, audio_s, final))
            self.hear(TtsChunkReady(audio_ms=audio_s * 1000, sentence_ms=audio_s * 1000, is_final=final,
                                    request_id=sentence.request_id, turn=turn))  # fmt: skip
        elif final and (turn, sentence.kind) in self._sent:
            self._sounds.append(_Sound(turn, sentence.kind, 0.0, True))
        if final:
            self.hear(TtsDone(request_id=sentence.request_id, turn=turn))
        self._sounding.set()

    def _drop(self, unwanted: list[_Sentence]) -> None:
        for sentence in unwanted:
            sentence.dropped = True
        self._wanted = deque(sentence for sentence in self._wanted if not sentence.dropped)

    def _steer(self, action: str, turn: int) -> None:
        if action == "stop":
            self._paused = False
            cut = {(sound.turn, sound.kind) for sound in self._sounds if sound.turn <= turn}
            self._sounds = deque(sound for sound in self._sounds if sound.turn > turn)
            for turn_cut, kind in sorted(cut):
                played_s = self._played.get((turn_cut, kind), 0.0)
                self._report(PlaybackDone(turn=turn_cut, kind=kind, played_s=played_s))
        elif action in ("pause", "resume"):
            self._paused = action == "pause"
        self._sounding.set()

    def _report(self, event: Event) -> None:
        if self._reports:
            self.hear(event)


def _turn(effect: dict[str, object]) -> int:
    turn = effect.get("turn")
    return turn if isinstance(turn, int) else 0
