"""How one caller is spoken to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.voices.port import SpeechPiece
from app.gateway.mouth import Mouth
from app.gateway.playout import LEAD_S
from app.gateway.spoken_chunks import SpokenChunks
from statecharts.effects import Speak
from statecharts.events import Event, TtsChunkReady, TtsDone, TtsFailed
from tests.fakes import RecordingLeg, ToneVoice

TEN_WORDS = "one two three four five six seven eight nine ten"
"""One second of audio, as `ToneVoice` speaks."""


class StallingVoice(ToneVoice):
    """Falls silent for good after some words of a sentence; keeps by when it was wanted."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self._after = after
        self.deadlines: list[float] = []

    async def synthesise(self, text: str, *, deadline: float = 0.0) -> AsyncIterator[SpeechPiece]:
        self.deadlines.append(deadline)
        said = 0
        async for piece in super().synthesise(text, deadline=deadline):
            yield piece
            said += 1
            if said == self._after:
                await asyncio.Event().wait()


class Speaker:
    """A mouth, the leg it speaks to, and what it said of it."""

    def __init__(self, voice: ToneVoice) -> None:
        self.leg: RecordingLeg | None = RecordingLeg()
        self.voice = voice
        self.events: list[Event] = []
        self.mouth = Mouth(SpokenChunks([voice]), lambda: self.leg, self.events.append)

    async def say(self, text: str, *, turn: int = 1, is_final: bool = True, number: int = 1) -> None:
        await self.mouth.speak(Speak(turn, text, is_final, "answer", f"{turn}.answer.{number}"))

    async def until(self, kind: type[Event]) -> None:
        async with asyncio.timeout(5.0):
            while not any(isinstance(event, kind) for event in self.events):
                await asyncio.sleep(0.005)

    def chunks(self) -> list[TtsChunkReady]:
        return [event for event in self.events if isinstance(event, TtsChunkReady)]


@asynccontextmanager
async def speaker(voice: ToneVoice | None = None) -> AsyncIterator[Speaker]:
    made = Speaker(voice or ToneVoice())
    running = asyncio.create_task(made.mouth.run())
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_sentence_is_sent_whole_in_order_and_ends_once() -> None:
    async with speaker() as made:
        await made.say("one two three")
        await made.until(TtsDone)
        assert made.leg is not None
        assert [chunk.seq for chunk in made.leg.played] == list(range(len(made.leg.played)))
        assert [chunk.is_final for chunk in made.leg.played] == [False] * (len(made.leg.played) - 1) + [True]
        assert abs(made.leg.audio_s - 0.3) < 0.001
        assert sum(chunk.audio_ms for chunk in made.chunks()) == 300


async def test_the_facts_of_a_chunk_come_before_the_end() -> None:
    async with speaker() as made:
        await made.say("one two three")
        await made.until(TtsDone)
        assert isinstance(made.events[-1], TtsDone)
        assert all(isinstance(event, TtsChunkReady) for event in made.events[:-1])


async def test_the_first_chunk_does_not_wait_for_the_second() -> None:
    async with speaker(StallingVoice(after=1)) as made:
        await made.say("one two three")
        await made.until(TtsChunkReady)
        assert made.leg is not None
        assert [(chunk.text, chunk.is_final) for chunk in made.leg.played] == [("one two three", False)]
        assert made.chunks()[0].audio_ms == 100


async def test_the_ends_of_words_go_with_their_audio() -> None:
    async with speaker() as made:
        await made.say("one two, three")
        await made.until(TtsDone)
        told = [word for chunk in made.chunks() for word in chunk.words]
        assert told == [(3, 0.1), (8, 0.2), (14, 0.3)]
        assert [len(chunk.words) for chunk in made.chunks()] == [1, 2, 0]


async def test_a_sentence_is_wanted_when_the_one_before_it_has_been_played() -> None:
    voice = StallingVoice(after=100)
    async with speaker(voice) as made:
        began = asyncio.get_running_loop().time()
        await made.say(" ".join([TEN_WORDS] * 3), is_final=False)
        await made.say("four", number=2)
        async with asyncio.timeout(5.0):
            while len(voice.deadlines) < 2:
                await asyncio.sleep(0.005)
        assert voice.deadlines[0] - began < 0.5
        assert 2.5 < voice.deadlines[1] - began < 3.5


async def test_an_empty_last_sentence_ends_the_answer_with_an_empty_chunk() -> None:
    async with speaker() as made:
        await made.say("one", is_final=False)
        await made.say("", number=2)
        await made.until(TtsDone)
        assert made.leg is not None
        assert [(len(chunk.pcm) > 0, chunk.is_final) for chunk in made.leg.played] == [(True, False), (False, True)]


async def test_audio_is_sent_less_than_a_second_ahead() -> None:
    async with speaker() as made:
        await made.say(" ".join([TEN_WORDS] * 3))
        await asyncio.sleep(0.3)
        assert made.leg is not None
        assert 0.8 <= made.leg.audio_s <= LEAD_S + 0.2 + 0.5


async def test_the_first_burst_is_no_longer_than_the_lead() -> None:
    async with speaker() as made:
        await made.say(" ".join([TEN_WORDS] * 3))
        await asyncio.sleep(0.05)
        assert made.leg is not None
        assert 0.6 <= made.leg.audio_s <= LEAD_S < 1.0


async def test_a_sentence_that_goes_another_way_waits_until_the_first_way_is_silent() -> None:
    async with speaker() as made:
        first, better = made.leg, RecordingLeg()
        await made.say("one two three four five", is_final=False)
        await asyncio.sleep(0.05)
        made.leg = better
        await made.say("six seven", number=2)
        await asyncio.sleep(0.2)
        assert better.played == []
        await made.until(TtsDone)
        assert first is not None
        assert abs(first.audio_s - 0.5) < 0.001
        assert abs(better.audio_s - 0.2) < 0.001


async def test_a_paused_answer_sends_nothing_and_goes_on_where_it_was() -> None:
    async with speaker() as made:
        await made.say(" ".join([TEN_WORDS] * 2))
        await asyncio.sleep(0.1)
        await made.mouth.steer("pause", 1)
        assert made.leg is not None
        before = len(made.leg.played)
        await asyncio.sleep(0.5)
        assert len(made.leg.played) == before
        await made.mouth.steer("resume", 1)
        await made.until(TtsDone)
        assert abs(made.leg.audio_s - 2.0) < 0.001
        assert made.leg.steered == [("pause", 1), ("resume", 1)]


async def test_a_stopped_answer_says_nothing_more_and_the_next_turn_does() -> None:
    async with speaker() as made:
        await made.say(" ".join([TEN_WORDS] * 3))
        await asyncio.sleep(0.05)
        await made.mouth.steer("stop", 1)
        assert made.leg is not None
        before = len(made.leg.played)
        await asyncio.sleep(0.3)
        assert len(made.leg.played) == before
        await made.say("two words", turn=2)
        await made.until(TtsDone)
        assert {chunk.turn for chunk in made.leg.played[before:]} == {2}
        assert made.leg.played[before].seq == 0


async def test_what_was_held_back_for_a_turn_taken_back_does_not_hold_the_next() -> None:
    async with speaker() as made:
        await made.mouth.steer("pause", 1)
        await made.say("never heard")
        made.mouth.cancel()
        await made.say("heard", turn=2)
        await made.until(TtsDone)
        assert made.leg is not None
        assert {chunk.turn for chunk in made.leg.played} == {2}
        assert made.leg.steered == []


async def test_a_client_that_comes_back_gets_the_rest_from_what_it_had_played() -> None:
    async with speaker() as made:
        await made.say(TEN_WORDS)
        await made.until(TtsDone)
        made.leg = RecordingLeg()
        reported = len(made.events)
        made.mouth.playout.rewind(0.45)
        async with asyncio.timeout(3.0):
            while made.leg.audio_s < 0.549:
                await asyncio.sleep(0.005)
        assert abs(made.leg.audio_s - 0.55) < 0.001
        assert made.leg.played[-1].is_final
        assert len(made.events) == reported


async def test_a_client_that_comes_back_twice_gets_each_time_what_it_had_not_played() -> None:
    async with speaker() as made:
        await made.say(TEN_WORDS)
        await made.until(TtsDone)
        for played_s in (0.3, 0.7):
            made.leg = RecordingLeg()
            made.mouth.playout.rewind(played_s)
            async with asyncio.timeout(3.0):
                while made.leg.audio_s < 1.0 - played_s - 0.001:
                    await asyncio.sleep(0.005)
            assert abs(made.leg.audio_s - (1.0 - played_s)) < 0.001
        assert made.leg is not None
        assert made.leg.played[0].seq > 5


async def test_a_sentence_no_voice_can_say_is_told() -> None:
    async with speaker() as made:
        await made.say("this is broken")
        await made.until(TtsFailed)
        assert made.leg is not None
        assert made.leg.played == []


async def test_a_chunk_tells_how_long_its_whole_sentence_is_once_that_is_known() -> None:
    async with speaker() as made:
        await made.say(" ".join([TEN_WORDS] * 3))
        await made.until(TtsChunkReady)
        async with asyncio.timeout(5.0):
            while not made.chunks()[-1].sentence_ms:
                await asyncio.sleep(0.005)
        assert made.chunks()[-1].sentence_ms == 3000
        assert sum(chunk.audio_ms for chunk in made.chunks()) < 3000


async def test_nothing_is_synthesised_for_a_client_that_is_gone() -> None:
    async with speaker() as made:
        leg, made.leg = made.leg, None
        await made.say("one two three")
        await asyncio.sleep(0.05)
        assert made.voice.asked == []
        made.leg = leg
        made.mouth.playout.wake()
        await made.until(TtsDone)
        assert made.voice.asked == ["one two three"]


async def test_a_sentence_that_waits_for_the_voice_is_taken_back_when_the_client_goes() -> None:
    free = asyncio.Event()
    async with speaker(ToneVoice(free)) as made:
        await made.say("one two three")
        await asyncio.sleep(0.01)
        leg, made.leg = made.leg, None
        made.mouth.suspend()
        free.set()
        await asyncio.sleep(0.05)
        assert not made.events
        made.leg = leg
        made.mouth.playout.wake()
        await made.until(TtsDone)
        assert made.voice.asked == ["one two three"] * 2
        assert made.leg is not None
        assert abs(made.leg.audio_s - 0.3) < 0.001


async def test_what_was_cancelled_while_the_client_was_gone_is_never_spoken() -> None:
    async with speaker(ToneVoice(asyncio.Event())) as made:
        await made.say("one two three")
        await asyncio.sleep(0.01)
        leg, made.leg = made.leg, None
        made.mouth.suspend()
        await asyncio.sleep(0.01)
        made.mouth.cancel()
        made.leg = leg
        made.mouth.playout.wake()
        await asyncio.sleep(0.05)
        assert made.voice.asked == ["one two three"]
        await made.say("", turn=2)
        await made.until(TtsDone)
        assert made.leg is not None
        assert [chunk.turn for chunk in made.leg.played] == [2]
