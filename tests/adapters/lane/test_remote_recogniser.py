"""A recogniser of other processes keeps what recognisers promise, also when those processes do not."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest

from adapters.lane.pool import ATTEMPTS
from adapters.lane.port import Finished
from adapters.recognisers.port import Overloaded, Recognised, RecogniserFailed
from adapters.recognisers.remote import RemoteRecogniser
from adapters.recognisers.whisper import WhisperRecogniser
from app.workers_audio import recognise_requests
from tests.adapters.lane.conftest import Beside
from tests.adapters.lane.staff import Staff, staffed, until
from tests.fakes import ScriptedRecogniser, sound
from tests.speech import load


@pytest.fixture
async def staff(beside: Beside) -> AsyncIterator[Staff]:
    async with staffed(beside) as made:
        yield made


async def test_the_audio_arrives_whole_and_the_words_come_back(staff: Staff) -> None:
    there = ScriptedRecogniser(["hello there"])
    await staff.hire("stt", recognise_requests(there))
    pcm = sound(16.0)
    heard = await RemoteRecogniser(staff.pool).recognise(pcm)
    assert there.heard == [pcm]
    assert (heard.text, heard.confidence, heard.audio_s) == ("hello there", 0.9, 16.0)
    assert heard.took_s > 0, "with the way there and back"


async def test_no_audio_is_recognised_as_such(staff: Staff) -> None:
    there = ScriptedRecogniser([""])
    await staff.hire("stt", recognise_requests(there))
    assert (await RemoteRecogniser(staff.pool).recognise(b"")).text == ""
    assert there.heard == [b""]


async def test_a_draft_is_told_as_one(staff: Staff) -> None:
    there = ScriptedRecogniser(["hello"])
    there.drafts = 1
    await staff.hire("stt", recognise_requests(there))
    recogniser = RemoteRecogniser(staff.pool)
    assert (await recogniser.recognise(sound(0.5))).draft
    assert not (await recogniser.recognise(sound(0.5))).draft


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (RecogniserFailed("as asked for"), RecogniserFailed),
        (Overloaded("32 jobs wait already"), Overloaded),
        (RuntimeError("the model broke"), RecogniserFailed),
    ],
)
async def test_what_goes_wrong_there_is_told_here(staff: Staff, error: Exception, raised: type[Exception]) -> None:
    class Failing(ScriptedRecogniser):
        async def recognise(self, pcm: bytes, *, deadline: float = 0.0) -> Recognised:
            raise error

    await staff.hire("stt", recognise_requests(Failing([""])))
    with pytest.raises(raised, match=re.escape(str(error))):
        await RemoteRecogniser(staff.pool).recognise(sound(0.5))


async def test_it_fails_soon_when_all_workers_are_silent_and_can_be_asked_again(staff: Staff) -> None:
    recogniser = RemoteRecogniser(staff.pool)
    with pytest.raises(RecogniserFailed, match="no stt worker is alive"):
        await recogniser.recognise(sound(0.5))
    await staff.hire_mortal("stt")
    async with asyncio.timeout(10.0):
        with pytest.raises(RecogniserFailed, match="silent"):
            await recogniser.recognise(sound(0.5))
    assert staff.lost == ATTEMPTS


async def test_an_answer_without_words_is_a_failure(staff: Staff) -> None:
    await staff.hire_mortal("stt", Finished())
    with pytest.raises(RecogniserFailed, match="without words"):
        await RemoteRecogniser(staff.pool).recognise(sound(0.5))


async def test_who_gives_up_stops_the_worker(staff: Staff) -> None:
    stopped = asyncio.Event()

    class Slow(ScriptedRecogniser):
        async def recognise(self, pcm: bytes, *, deadline: float = 0.0) -> Recognised:
            self.heard.append(pcm)
            try:
                await asyncio.sleep(60.0)
            finally:
                stopped.set()
            raise AssertionError("nobody waits so long")

    there = Slow([""])
    await staff.hire("stt", recognise_requests(there))
    asked = asyncio.create_task(RemoteRecogniser(staff.pool).recognise(sound(0.5)))
    await until(lambda: bool(there.heard))
    asked.cancel()
    await until(stopped.is_set)


async def test_the_most_urgent_is_told_how_urgent_it_is(staff: Staff) -> None:
    wanted: list[float] = []

    class Noting(ScriptedRecogniser):
        async def recognise(self, pcm: bytes, *, deadline: float = 0.0) -> Recognised:
            wanted.append(deadline - asyncio.get_running_loop().time())
            return await super().recognise(pcm, deadline=deadline)

    await staff.hire("stt", recognise_requests(Noting(["yes"])))
    recogniser, now = RemoteRecogniser(staff.pool), asyncio.get_running_loop().time()
    await recogniser.recognise(sound(0.1), deadline=now - 3.0)
    await recogniser.recognise(sound(0.1), deadline=now + 30.0)
    assert -1.0 < wanted[0] <= 0.0
    assert 10.0 < wanted[1] <= 30.0


@pytest.mark.real
async def test_whisper_there_hears_what_it_hears_here(staff: Staff) -> None:
    whisper, clip = WhisperRecogniser(), load("ask_states.wav")
    await staff.hire("stt", recognise_requests(whisper))
    here, there = await whisper.recognise(clip), await RemoteRecogniser(staff.pool).recognise(clip)
    assert there.text.lower().startswith("what are your states")
    assert (there.text, there.confidence) == (here.text, here.confidence)
    whisper.close()
