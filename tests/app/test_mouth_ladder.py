"""Fillers that give way, and voices that fail: what one caller hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.voices.port import SpeechPiece, VoiceFailed
from app.gateway.mouth import Mouth
from app.gateway.spoken_chunks import SpokenChunks
from statecharts.effects import Speak
from statecharts.events import Event, TtsDone, TtsFailed
from tests.app.test_mouth import TEN_WORDS, Speaker, StallingVoice, speaker
from tests.fakes import ToneVoice


class Breaking(ToneVoice):
    """Raises what it is given, after so many words."""

    def __init__(self, error: Exception, after: int = 0) -> None:
        super().__init__()
        self._error = error
        self._after = after

    async def synthesise(self, text: str, *, deadline: float = 0.0) -> AsyncIterator[SpeechPiece]:
        said = 0
        async for piece in super().synthesise(text, deadline=deadline):
            if said == self._after:
                raise self._error
            yield piece
            said += 1


def with_voices(made: Speaker, *voices: ToneVoice, patience_s: float = 1.0) -> Speaker:
    """Give a speaker other voices, before it is run."""
    made.mouth = Mouth(SpokenChunks(voices, patience_s), lambda: made.leg, made.events.append)
    return made


async def running(made: Speaker) -> asyncio.Task[None]:
    return asyncio.create_task(made.mouth.run())


async def until(made: Speaker, kind: type[Event], times: int = 1) -> None:
    async with asyncio.timeout(5.0):
        while sum(isinstance(event, kind) for event in made.events) < times:
            await asyncio.sleep(0.005)


async def fill(made: Speaker, text: str = TEN_WORDS) -> None:
    await made.mouth.speak(Speak(1, text, True, "filler", "1.filler"))


def played(made: Speaker, kind: str) -> float:
    assert made.leg is not None
    return sum(len(chunk.pcm) / 2 / chunk.rate_hz for chunk in made.leg.played if chunk.kind == kind)


async def test_a_filler_is_thrown_away_when_the_first_sound_of_the_answer_is_there() -> None:
    async with speaker() as made:
        await fill(made)
        async with asyncio.timeout(5.0):
            while not played(made, "filler"):
                await asyncio.sleep(0.005)
        began = asyncio.get_running_loop().time()
        await made.say("one two three")
        async with asyncio.timeout(5.0):
            while not played(made, "answer"):
                await asyncio.sleep(0.005)
        assert asyncio.get_running_loop().time() - began < 0.3, "the filler would have lasted a second"
        assert made.leg is not None
        assert made.leg.steered == [("stop", 1)]
        kinds = [chunk.kind for chunk in made.leg.played]
        assert kinds == sorted(kinds, reverse=True), "nothing of the filler comes after the answer"
        assert next(chunk.seq for chunk in made.leg.played if chunk.kind == "answer") == 0


async def test_a_filler_of_which_nothing_is_heard_yet_is_not_said_once_the_answer_is_there() -> None:
    free = asyncio.Event()
    async with speaker(ToneVoice(free)) as made:
        await fill(made)
        await asyncio.sleep(0.01)
        await made.say("one two three")
        free.set()
        await made.until(TtsDone)
        assert made.leg is not None
        assert {chunk.kind for chunk in made.leg.played} == {"answer"}
        assert made.leg.steered == []


async def test_a_filler_that_was_played_to_its_end_is_not_stopped() -> None:
    async with speaker() as made:
        await fill(made, "well")
        await made.until(TtsDone)
        await asyncio.sleep(0.15)
        await made.say("one two three")
        await until(made, TtsDone, 2)
        assert made.leg is not None
        assert made.leg.steered == []
        assert abs(played(made, "filler") - 0.1) < 0.001


async def test_ending_the_filler_leaves_the_answer_alone() -> None:
    async with speaker() as made:
        await fill(made)
        async with asyncio.timeout(5.0):
            while not played(made, "filler"):
                await asyncio.sleep(0.005)
        await made.mouth.end_filler()
        assert made.leg is not None
        assert made.leg.steered == [("stop", 1)]
        await made.say("one two three")
        await made.until(TtsDone)
        assert abs(played(made, "answer") - 0.3) < 0.001


@pytest.mark.parametrize("error", [VoiceFailed("no"), RuntimeError("the model broke"), OSError("the network is away")])
async def test_whatever_a_voice_raises_is_told_with_how_many_are_left(error: Exception) -> None:
    made = with_voices(Speaker(ToneVoice()), Breaking(error), ToneVoice())
    task = await running(made)
    await made.say("one two three", is_final=False)
    await made.say("four five", number=2)
    await until(made, TtsFailed)
    await asyncio.sleep(0.05)
    failed = [event for event in made.events if isinstance(event, TtsFailed)]
    assert [(event.request_id, event.voices_left) for event in failed] == [("1.answer.1", 1)], "told once"
    assert str(error) in failed[0].error
    await made.mouth.speak(Speak(1, "six", False, "answer", "1.answer.3"))  # asked for before the chart knew
    for number, (text, is_final) in enumerate((("one two three", False), ("four five", False), ("six", True)), 4):
        await made.mouth.speak(Speak(1, text, is_final, "answer", f"1.answer.{number}", voice=1, again=True))
    await until(made, TtsDone)
    assert made.leg is not None
    assert abs(made.leg.audio_s - 0.6) < 0.001
    task.cancel()


@pytest.mark.parametrize("voice", [ToneVoice(asyncio.Event()), StallingVoice(2)], ids=["at once", "in the middle"])
async def test_a_voice_that_falls_silent_has_failed(voice: ToneVoice) -> None:
    made = with_voices(Speaker(ToneVoice()), voice, ToneVoice(), patience_s=0.1)
    task = await running(made)
    await made.say("one two three")
    await until(made, TtsFailed)
    (failed,) = (event for event in made.events if isinstance(event, TtsFailed))
    assert "said nothing for 0.1 s" in failed.error
    task.cancel()


async def test_what_was_ready_of_a_sentence_is_not_sent_if_it_failed_before_anything_was() -> None:
    made = with_voices(Speaker(ToneVoice()), Breaking(VoiceFailed("half way"), after=3), ToneVoice())
    task = await running(made)
    await made.mouth.steer("pause", 1)
    await made.say("one two three four")
    await until(made, TtsFailed)
    await made.mouth.steer("resume", 1)
    await made.mouth.speak(Speak(1, "one two three four", True, "answer", "1.answer.2", voice=1, again=True))
    await until(made, TtsDone)
    assert made.leg is not None
    assert abs(made.leg.audio_s - 0.4) < 0.001
    task.cancel()


async def test_without_a_voice_the_text_is_shown_and_the_answer_ends() -> None:
    async with speaker() as made:
        await made.mouth.speak(Speak(1, "one two three", True, "answer", "1.answer.1", medium="text"))
        await made.until(TtsDone)
        assert made.voice.asked == []
        assert made.leg is not None
        assert [chunk.is_final for chunk in made.leg.played] == [True]
        assert made.leg.audio_s == 0


async def test_the_next_turn_may_ask_the_voice_that_failed_before() -> None:
    made = with_voices(Speaker(ToneVoice()), ToneVoice(), ToneVoice())
    task = await running(made)
    await made.say("this is broken")
    await until(made, TtsFailed)
    await made.say("one two", turn=2)
    await until(made, TtsDone)
    assert made.leg is not None
    assert {chunk.turn for chunk in made.leg.played if chunk.pcm} == {2}
    task.cancel()
