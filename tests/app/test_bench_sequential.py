"""What doing things at the same time saves, with parts whose times are known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.answers.port import Judgement, Sentence
from adapters.recognisers.port import Recognised
from adapters.voices.port import SpeechPiece
from app.bench.sequential import PARTS, WAYS, NoVoice, Parts, bench_sequential
from app.caller.wav import write_wav
from tests.app.caller_material import pcm16


class _Stream:
    def __init__(self, voiced: int) -> None:
        self._left = voiced

    def reset(self) -> None: ...

    def probability(self, chunk: bytes) -> float:
        self._left -= 1
        return 1.0 if self._left >= 0 else 0.0


class _Detector:
    """Hears a voice in the first chunks of everything."""

    def __init__(self, voiced: int) -> None:
        self._voiced = voiced

    def stream(self) -> _Stream:
        return _Stream(self._voiced)


class _Recogniser:
    async def recognise(self, pcm: bytes, *, deadline: float = 0.0) -> Recognised:
        await asyncio.sleep(0.05)
        return Recognised(text="What is it?", confidence=1.0, audio_s=1.0, took_s=0.05)

    def close(self) -> None: ...


class _Intents:
    def classify(self, text: str) -> Judgement:
        return Judgement(intent="question", confidence=1.0)


class _Answers:
    async def answer(self, text: str) -> AsyncIterator[Sentence]:
        yield Sentence(text="One.")
        yield Sentence(text="Two.", is_final=True)


class _Voice:
    name = "fake"

    async def synthesise(self, text: str, *, deadline: float = 0.0) -> AsyncIterator[SpeechPiece]:
        for _ in range(4):
            await asyncio.sleep(0.02)
            yield SpeechPiece(pcm=bytes(3200), rate_hz=16_000)

    def close(self) -> None: ...


def parts(voiced: int = 10) -> Parts:
    return Parts(_Detector(voiced), _Recogniser(), _Intents(), _Answers(), _Voice())


async def test_every_step_saves_what_it_does_beside_the_rest(tmp_path: Path) -> None:
    clip = tmp_path / "a.wav"
    write_wav(clip, pcm16(0.4, 16_000), 16_000)
    found = await bench_sequential(
        parts(), [clip], repeat=2, intent_delay_s=0.07, answer_delay_s=0.08, tell=lambda _line: None
    )
    assert list(found.ways) == list(WAYS)
    assert list(found.parts) == list(PARTS)
    ways = {way: one.median for way, one in found.ways.items()}
    assert {one.n for one in found.ways.values()} == {2}
    assert ways["sequential"] - ways["parallel"] == pytest.approx(0.07, abs=0.03)
    assert ways["parallel"] - ways["sentences"] == pytest.approx(0.08 + 0.08, abs=0.05)
    assert ways["sentences"] - ways["first_sound"] == pytest.approx(0.06, abs=0.03)
    assert ways["first_sound"] - ways["speculation"] == pytest.approx(0.05 + 0.08 + 0.02, abs=0.05)
    assert ways["graded"] <= ways["speculation"]
    assert found.parts["one_by_one"].median == pytest.approx(0.07 + 0.16, abs=0.05)


async def test_a_recording_without_a_voice_is_refused(tmp_path: Path) -> None:
    clip = tmp_path / "a.wav"
    write_wav(clip, pcm16(0.4, 16_000), 16_000)
    with pytest.raises(NoVoice, match="hears no voice in"):
        await bench_sequential(parts(0), [clip], repeat=1, intent_delay_s=0, answer_delay_s=0, tell=lambda _line: None)
