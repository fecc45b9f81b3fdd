"""Answers spoken over, with recorded voices and sounds, by a caller who hears and speaks at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from app.bench.interrupting import Sound, interrupt
from app.caller.call import open_link
from app.caller.heard import echo_of
from app.caller.link import Transport
from app.caller.live_caller import LiveCaller, live_caller
from app.caller.messages import FinalTranscript, MicrophoneOpened, PlayoutMessage, TtsChunk, TypedText
from tests.speech import load

pytestmark = [pytest.mark.real, pytest.mark.timeout(60)]

LONG = "tell me about the five states"
"""Answered for some 25 s."""
SHORT = "tell me about pace"
"""Answered for some 6 s."""
BOTH = pytest.mark.parametrize("transport", ["ws", "webrtc"])
ECHO_DELAY_S = 0.1
ECHO_GAIN = 0.1
"""-20 dB."""


@asynccontextmanager
async def answered(
    server: str, transport: Transport, question: str, *, hears_us: bool = False
) -> AsyncIterator[LiveCaller]:
    """A caller who has listened to the beginning of an answer; `hears_us`: with a loudspeaker, and no canceller."""
    async with open_link(server, transport) as (session_id, link):
        echo = echo_of(link.player.heard, 16_000, delay_s=ECHO_DELAY_S, gain=ECHO_GAIN) if hears_us else None
        async with live_caller(session_id, link, echo) as caller:
            if hears_us:
                await link.send(MicrophoneOpened(echo_cancellation=False))
            await link.send(TypedText(question))
            await caller.state("SPEAKING")
            await asyncio.sleep(1.2)
            yield caller


async def turns(server: str, caller: LiveCaller) -> list[dict[str, object]]:
    async with httpx.AsyncClient(base_url=server) as http:
        found: list[dict[str, object]] = (await http.get(f"/sessions/{caller.session_id}/turns")).json()
        return found


def orders(caller: LiveCaller) -> list[str]:
    return [message.payload.action for message in caller.of_type(PlayoutMessage) if message.payload.turn == 1]


@BOTH
async def test_a_recorded_voice_stops_the_answer_and_is_understood_from_its_first_word(
    live_server: str, transport: Transport
) -> None:
    async with answered(live_server, transport, LONG) as caller:
        began = await caller.say(load("ask_what_can_you_do.wav"))
        stopped = await caller.order("stop", since=began)
        assert (orders(caller)[0], orders(caller)[-1]) == ("duck", "stop")
        await caller.state("SPEAKING", since=stopped)
        [*_, final] = caller.of_type(FinalTranscript)
        assert final.text.lower().strip(" ?.") == "what can you do"
        assert final.turn == 2
        late = [chunk.payload.turn for chunk in caller.of_type(TtsChunk, since=stopped)]
        assert set(late) <= {2}, "audio of the stopped answer"
        [first, *_] = await turns(live_server, caller)
        assert first["interrupted"] is True
        assert 0 < len(str(first["heard_text"])) < len(str(first["answer_text"]))


@pytest.mark.parametrize(
    ("transport", "sound"),
    [("ws", "cough_twice.wav"), ("ws", "yeah.wav"), ("webrtc", "cough.wav"), ("webrtc", "mm_hmm.wav")],
)
async def test_after_a_cough_or_a_backchannel_the_answer_goes_on_where_it_was(
    live_server: str, transport: Transport, sound: str
) -> None:
    async with answered(live_server, transport, SHORT) as caller:
        began = await caller.say(load(f"sounds/{sound}"))
        resumed = await caller.order("resume", since=began)
        await caller.state("LISTENING", since=resumed)
        assert orders(caller) in (["duck", "resume"], ["duck", "pause", "resume"])
        [hearing] = caller.link.player.hearings
        assert hearing.ended == "played"
        [turn] = await turns(live_server, caller)
        assert turn["heard_text"] == turn["answer_text"]
        assert turn["interrupted"] is False


@BOTH
async def test_a_microphone_that_hears_our_answer_does_not_stop_it_and_a_caller_does(
    live_server: str, transport: Transport
) -> None:
    async with answered(live_server, transport, LONG, hears_us=True) as caller:
        await asyncio.sleep(3.0)
        assert orders(caller) == [], "our own voice has interrupted us"
        began = await caller.say(load("ask_what_can_you_do.wav"))
        stopped = await caller.order("stop", since=began, within_s=5.0)
        await caller.state("SPEAKING", since=stopped)
        [*_, final] = caller.of_type(FinalTranscript)
        assert final.text.lower().strip(" ?.") == "what can you do"


async def test_what_only_we_have_said_is_no_turn_when_the_answer_is_over(live_server: str) -> None:
    async with answered(live_server, "ws", SHORT, hears_us=True) as caller:
        over = await caller.state("LISTENING")
        await asyncio.sleep(1.5)
        assert orders(caller) == []
        assert caller.of_type(FinalTranscript, since=over) == []
        assert len(await turns(live_server, caller)) == 1


@BOTH
async def test_an_interruption_is_timed_as_the_benchmark_does_it(live_server: str, transport: Transport) -> None:
    sound = Sound("what can you do", load("ask_what_can_you_do.wav"), "what can you do")
    found = await interrupt(live_server, transport, sound, 1, None)
    assert found.outcome == "stopped"
    assert 0 < found.times["ducked"] < found.times["silent"] <= found.times["stopped"]
    assert {"word to stop", "sound after the stop"} <= found.times.keys()
    assert found.first_word_kept is True
