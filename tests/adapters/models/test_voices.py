"""What every voice promises, and each in particular; all are real, Edge's service is a local server of its protocol."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import edge_tts.communicate
import numpy as np
import pytest

from adapters.voices.edge import EdgeVoice
from adapters.voices.espeak import EspeakVoice
from adapters.voices.piper import PiperVoice
from adapters.voices.port import SpeechPiece, Voice, VoiceFailed
from tests.adapters.models.edge_server import edge_server

SENTENCE = "I have five states, and each has a deadline."


@pytest.fixture(params=["piper", "espeak", "edge"])
async def voice(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Voice]:
    async with edge_server() as url:
        monkeypatch.setattr(edge_tts.communicate, "WSS_URL", url)
        made: Voice
        match request.param:
            case "piper":
                made = PiperVoice()
            case "espeak":
                made = EspeakVoice()
            case _:
                made = EdgeVoice()
        yield made
        made.close()


async def spoken(voice: Voice, text: str) -> list[SpeechPiece]:
    return [piece async for piece in voice.synthesise(text)]


def seconds(pieces: list[SpeechPiece]) -> float:
    return sum(len(piece.pcm) / 2 / piece.rate_hz for piece in pieces)


async def test_a_sentence_is_audible_and_of_a_plausible_length(voice: Voice) -> None:
    pieces = await spoken(voice, SENTENCE)
    assert 0.5 < seconds(pieces) < 8.0
    samples = np.frombuffer(b"".join(piece.pcm for piece in pieces), "<i2").astype(float)
    assert np.sqrt(np.mean(samples**2)) > 300
    assert voice.name


async def test_pieces_are_whole_samples_short_and_of_one_rate(voice: Voice) -> None:
    pieces = await spoken(voice, SENTENCE)
    assert all(piece.pcm and len(piece.pcm) % 2 == 0 for piece in pieces)
    assert len({piece.rate_hz for piece in pieces}) == 1
    assert all(len(piece.pcm) / 2 / piece.rate_hz <= 1.0 for piece in pieces)


@pytest.mark.parametrize("text", ["", "   ", "...", "?!", "—", "🙂"])
async def test_nothing_to_say_is_said_as_nothing(text: str) -> None:
    for made in (PiperVoice(), EspeakVoice(), EdgeVoice()):
        assert await spoken(made, text) == []
        made.close()


async def test_odd_text_is_spoken_all_the_same(voice: Voice) -> None:
    for text in ("Call 911 🙂 now", "line\nbreak", "a\0b", "https://example.com/x?y=1", "naïve café", "<b>&amp;</b>"):
        assert seconds(await spoken(voice, text)) >= 0.1


async def test_words_are_told_in_order_by_where_they_end(voice: Voice) -> None:
    for text in (SENTENCE, "It cost $15 million in 1883 — no less, e.g. of the city's."):
        pieces = await spoken(voice, text)
        words = [word for piece in pieces for word in piece.words]
        assert [word.chars for word in words] == sorted({word.chars for word in words})
        assert {word.chars for word in words} <= {word.end() for word in re.finditer(r"\S+", text)}
        assert words[-1].chars == len(text)
        assert [word.seconds for word in words] == sorted(word.seconds for word in words)
        assert 0 < words[0].seconds < words[-1].seconds <= seconds(pieces) + 0.1


async def test_two_sentences_at_once_do_not_mix(voice: Voice) -> None:
    alone = await spoken(voice, SENTENCE)
    both = await asyncio.gather(spoken(voice, SENTENCE), spoken(voice, "Short."))
    assert seconds(both[0]) == pytest.approx(seconds(alone), rel=0.2)
    assert seconds(both[1]) <= seconds(both[0])


async def test_a_sentence_nobody_listens_to_any_more_does_not_hold_the_next_up(voice: Voice) -> None:
    pieces = voice.synthesise(SENTENCE * 5)
    await anext(pieces)
    await pieces.aclose()  # type: ignore[attr-defined]  # every voice is a generator
    async with asyncio.timeout(20.0):
        assert seconds(await spoken(voice, "Short.")) >= 0.1


async def test_a_closed_voice_says_so() -> None:
    for made in (PiperVoice(), EspeakVoice()):
        made.close()
        with pytest.raises(VoiceFailed):
            await spoken(made, SENTENCE)


async def test_edge_without_its_service_fails_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_tts.communicate, "WSS_URL", "ws://127.0.0.1:1/edge/v1?TrustedClientToken=x")
    async with asyncio.timeout(5.0):
        with pytest.raises(VoiceFailed):
            await spoken(EdgeVoice(), SENTENCE)


@pytest.mark.parametrize("text", ["silence please", "hang up on me"])
async def test_edge_that_sends_no_audio_has_failed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    async with edge_server() as url:
        monkeypatch.setattr(edge_tts.communicate, "WSS_URL", url)
        with pytest.raises(VoiceFailed):
            await spoken(EdgeVoice(), text)
