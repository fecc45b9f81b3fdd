"""A voice of other processes keeps what voices promise, also when those processes do not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from adapters.lane.pool import ATTEMPTS, SILENCE_S
from adapters.lane.port import Finished, LaneMessage, Spoken
from adapters.voices.espeak import EspeakVoice
from adapters.voices.port import SpeechPiece, Voice, VoiceFailed
from adapters.voices.remote import RemoteVoice
from app.workers_audio import speak_requests
from tests.adapters.bus.steps import fact, session
from tests.adapters.lane.conftest import Beside
from tests.adapters.lane.staff import GATEWAY, EndlessVoice, Staff, staffed, until
from tests.fakes import ToneVoice, sound

SENTENCE = "I have five states, and each has a deadline."
PIECE = Spoken(SpeechPiece(pcm=sound(0.2), rate_hz=16_000))


@pytest.fixture
async def staff(beside: Beside) -> AsyncIterator[Staff]:
    async with staffed(beside) as made:
        yield made


async def spoken(voice: Voice, text: str) -> list[SpeechPiece]:
    return [piece async for piece in voice.synthesise(text)]


def pcm(pieces: list[SpeechPiece]) -> bytes:
    return b"".join(piece.pcm for piece in pieces)


async def test_it_says_what_the_voice_there_says_word_by_word(staff: Staff) -> None:
    made: list[SpeechPiece] = []
    espeak = EspeakVoice()

    class Noted(ToneVoice):
        async def synthesise(self, text: str, *, deadline: float = 0.0) -> AsyncIterator[SpeechPiece]:
            async for piece in espeak.synthesise(text, deadline=deadline):
                made.append(piece)
                yield piece

    await staff.hire("tts", speak_requests(Noted()))
    heard = await spoken(RemoteVoice(staff.pool), SENTENCE)
    assert pcm(heard) == pcm(made)
    assert len(pcm(heard)) > 2 * heard[0].rate_hz
    assert {piece.rate_hz for piece in heard} == {made[0].rate_hz}
    assert [word for piece in heard for word in piece.words] == [word for piece in made for word in piece.words]
    assert all(0.1 <= len(piece.pcm) / 2 / piece.rate_hz <= 1.0 for piece in heard[:-1])
    espeak.close()


async def test_many_sentences_at_once_do_not_mix(staff: Staff) -> None:
    for _ in range(2):
        await staff.hire("tts", speak_requests(ToneVoice()))
    voice = RemoteVoice(staff.pool)
    said = await asyncio.gather(*(spoken(voice, "word " * (number % 5 + 1)) for number in range(30)))
    assert [len(pcm(pieces)) for pieces in said] == [len(sound(0.1)) * (number % 5 + 1) for number in range(30)]


@pytest.mark.parametrize("text", ["", "   ", "...", "🙂"])
async def test_nothing_to_say_is_said_as_nothing_and_asked_of_nobody(staff: Staff, text: str) -> None:
    assert await spoken(RemoteVoice(staff.pool), text) == []


async def test_what_the_voice_there_cannot_say_has_failed(staff: Staff) -> None:
    tone = ToneVoice()
    await staff.hire("tts", speak_requests(tone))
    with pytest.raises(VoiceFailed, match="cannot say 'this is broken'"):
        await spoken(RemoteVoice(staff.pool), "this is broken")
    assert tone.asked == ["this is broken"], "no other worker would do better"


async def test_a_voice_that_breaks_there_has_failed_and_its_worker_goes_on(staff: Staff) -> None:
    class Breaking(ToneVoice):
        async def synthesise(self, text: str, *, deadline: float = 0.0) -> AsyncIterator[SpeechPiece]:
            if "bad" in text:
                raise RuntimeError("the model broke")
            async for piece in super().synthesise(text, deadline=deadline):
                yield piece

    await staff.hire("tts", speak_requests(Breaking()))
    with pytest.raises(VoiceFailed, match="the model broke"):
        await spoken(RemoteVoice(staff.pool), "bad")
    assert len(await spoken(RemoteVoice(staff.pool), "one two")) == 2


async def test_without_a_worker_it_fails_at_once_and_says_what_to_do(staff: Staff) -> None:
    began = time.monotonic()
    with pytest.raises(VoiceFailed, match=r"no tts worker is alive; start one with `\./run worker tts`"):
        await spoken(RemoteVoice(staff.pool), SENTENCE)
    assert time.monotonic() - began < SILENCE_S


async def test_it_fails_soon_when_all_workers_are_silent(staff: Staff) -> None:
    await staff.hire_mortal("tts")
    began = time.monotonic()
    with pytest.raises(VoiceFailed, match="silent"):
        await spoken(RemoteVoice(staff.pool), SENTENCE)
    assert ATTEMPTS * SILENCE_S <= time.monotonic() - began < ATTEMPTS * SILENCE_S + 2.0
    assert staff.lost == ATTEMPTS


async def test_a_worker_that_died_alone_is_not_looked_for_twice(staff: Staff) -> None:
    await staff.hire_mortal("tts", deaths=1)
    began = time.monotonic()
    with pytest.raises(VoiceFailed, match="mortal-0 is silent"):
        await spoken(RemoteVoice(staff.pool), SENTENCE)
    assert time.monotonic() - began < SILENCE_S + 1.0


async def test_a_request_that_nobody_takes_has_failed_too(staff: Staff) -> None:
    await staff.beside.bus.announce("tts", "gone a moment ago", 600.0)
    with pytest.raises(VoiceFailed, match="took the request in time"):
        await spoken(RemoteVoice(staff.pool), SENTENCE)


async def test_what_a_worker_lost_before_its_first_sound_another_one_says(staff: Staff) -> None:
    await staff.hire_mortal("tts", deaths=1)
    asked = asyncio.create_task(spoken(RemoteVoice(staff.pool), "one two three"))
    await until(lambda: staff.lost == 1)
    await staff.hire("tts", speak_requests(ToneVoice()))
    assert len(pcm(await asked)) == len(sound(0.3))


async def test_a_worker_that_dies_in_the_middle_leaves_what_it_said(staff: Staff) -> None:
    await staff.hire_mortal("tts", PIECE, PIECE)
    said = RemoteVoice(staff.pool).synthesise(SENTENCE)
    for _ in range(2):
        assert (await anext(said)).pcm == PIECE.piece.pcm
    with pytest.raises(VoiceFailed, match="silent"):
        await anext(said)
    assert staff.lost == 1, "what was heard is not said again"


async def test_a_part_lost_on_the_way_is_noticed(staff: Staff) -> None:
    await staff.hire_mortal("tts", PIECE, PIECE, Finished(), numbers=(0, 2, 3))
    with pytest.raises(VoiceFailed, match="lost"):
        await spoken(RemoteVoice(staff.pool), SENTENCE)


async def test_a_slow_worker_that_is_alive_is_waited_for(staff: Staff) -> None:
    free = asyncio.Event()
    await staff.hire("tts", speak_requests(ToneVoice(free)))
    asked = asyncio.create_task(spoken(RemoteVoice(staff.pool), "one two"))
    await asyncio.sleep(2 * SILENCE_S)
    assert not asked.done()
    free.set()
    assert len(pcm(await asked)) == len(sound(0.2))


async def test_who_stops_listening_stops_the_worker_and_what_still_comes_is_counted(staff: Staff) -> None:
    voice = EndlessVoice()
    await staff.hire("tts", speak_requests(voice))
    pieces = RemoteVoice(staff.pool).synthesise(SENTENCE)
    await anext(pieces)
    await pieces.aclose()  # type: ignore[attr-defined]  # every voice is a generator
    await until(voice.stopped.is_set)
    made = voice.made
    await until(lambda: staff.late > 0)
    await asyncio.sleep(0.05)
    assert voice.made == made
    assert staff.late < 100


async def test_who_gives_up_before_the_first_sound_stops_the_worker_too(staff: Staff) -> None:
    class Thinking(EndlessVoice):
        async def synthesise(self, text: str, *, deadline: float = 0.0) -> AsyncIterator[SpeechPiece]:
            self.made += 1
            try:
                await asyncio.sleep(60.0)
                yield SpeechPiece(pcm=sound(0.1), rate_hz=16_000)
            finally:
                self.stopped.set()

    voice = Thinking()
    await staff.hire("tts", speak_requests(voice))
    asked = asyncio.create_task(spoken(RemoteVoice(staff.pool), SENTENCE))
    await until(lambda: voice.made == 1)
    asked.cancel()
    await until(voice.stopped.is_set)


async def test_a_request_given_up_before_it_was_taken_is_not_served(staff: Staff) -> None:
    await staff.beside.bus.announce("tts", "busy", 600.0)
    asked = asyncio.create_task(spoken(RemoteVoice(staff.pool), SENTENCE))
    await asyncio.sleep(0.1)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    await asyncio.sleep(0.1)
    tone = ToneVoice()
    with capture_logs() as logs:
        await staff.hire("tts", speak_requests(tone))
        await until(lambda: any(line["event"] == "request_too_late" for line in logs))
    assert tone.asked == []


async def test_a_worker_that_leaves_says_its_sentence_to_the_end_and_takes_no_more(staff: Staff) -> None:
    free = asyncio.Event()
    tone = ToneVoice(free)
    worker = await staff.hire("tts", speak_requests(tone))
    asked = asyncio.create_task(spoken(RemoteVoice(staff.pool), "one two"))
    await until(lambda: bool(tone.asked))
    leaving = asyncio.create_task(worker.leave())
    async with asyncio.timeout(5.0):
        while await staff.beside.bus.members("tts"):
            await asyncio.sleep(0.01)
    assert not leaving.done()
    free.set()
    assert len(pcm(await asked)) == len(sound(0.2))
    await leaving
    with pytest.raises(VoiceFailed, match="no tts worker is alive"):
        await spoken(RemoteVoice(staff.pool), "three")


async def test_a_request_that_cannot_be_read_is_dropped_and_the_next_is_served(staff: Staff) -> None:
    with capture_logs() as logs:
        await staff.beside.bus.request("tts", fact(session(), 1, "voice.tts.request"))
        await staff.hire("tts", speak_requests(ToneVoice()))
        assert len(pcm(await spoken(RemoteVoice(staff.pool), "one"))) == len(sound(0.1))
        await until(lambda: any(line["event"] == "request_unreadable" for line in logs))


async def test_a_stranger_in_the_lane_harms_nobody(staff: Staff) -> None:
    await staff.hire("tts", speak_requests(ToneVoice()))
    await staff.beside.lane.send(GATEWAY, LaneMessage("unknown", 5, PIECE))
    await until(lambda: staff.late == 1)
    assert len(pcm(await spoken(RemoteVoice(staff.pool), "one"))) == len(sound(0.1))
