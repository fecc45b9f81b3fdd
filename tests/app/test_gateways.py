"""Several gateways: a call goes on at another one, and the one before has no say any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import cast

import pytest

from adapters.bus.memory import MemoryBus
from adapters.bus.port import Command, EventBus
from adapters.media.port import BadOffer
from adapters.media.websocket import WebSocketLeg
from app.gateway.call import Call
from app.gateway.gateway import Gateway
from app.gateway.offers import Description
from app.gateway.services import CallServices, Message
from app.gateway.told import missed_messages
from app.gateway.voice_activity import ChunkedActivity
from app.replay.call_log import read_log
from app.replay.freezing import frozen
from app.replay.refold import compare
from statecharts.events import Disconnected, IntentDetected, PlaybackProgress, RagAnswerReady, SttFinal
from statecharts.phrases import Phrases
from statecharts.policy import Policy
from tests.app.harness import Harness, harness
from tests.fakes import LoudnessDetector, ScriptedRecogniser, ToneVoice

WORDS = "one two three four five six seven eight nine ten " * 3
"""Said in 3 s."""


class Client:
    """One connection of the caller's, and what came over it."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.ended: tuple[int, str] | None = None

    async def send(self, message: Message) -> None:
        self.messages.append(message)

    def end(self, code: int, reason: str) -> None:
        self.ended = (code, reason)

    @property
    def last_id(self) -> str:
        return [str(message["id"]) for message in self.messages if "id" in message][-1]

    def told(self) -> list[object]:
        """The numbered messages but the greeting."""
        return [message for message in self.messages if "id" in message and message["type"] != "session"]

    def chunks(self) -> list[dict[str, object]]:
        return [message["payload"] for message in self.messages if message["type"] == "tts_chunk"]  # type: ignore[misc]

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(5.0):
            while not holds():
                await asyncio.sleep(0.005)

    async def until_type(self, kind: str) -> None:
        await self.until(lambda: any(message["type"] == kind for message in self.messages))


class Peer:
    """A peer connection that never comes up; it says who answered."""

    def __init__(self, site: int, **_: object) -> None:
        self.external_liveness = False
        self._site = site

    async def answer(self, sdp: str, type_: str) -> tuple[str, str]:
        if sdp == "nonsense":
            raise BadOffer("this is no SDP")
        return f"{sdp}, answered at {self._site}", "answer"

    async def close(self) -> None:
        """It holds nothing."""


class Line:
    """The bus, whose commands reach one gateway only while it can hear."""

    def __init__(self, bus: MemoryBus) -> None:
        self._bus = bus
        self.hears = asyncio.Event()
        self.hears.set()

    def __getattr__(self, name: str) -> object:
        return getattr(self._bus, name)

    async def listen(self, gateway: str) -> AsyncIterator[Command]:
        async for command in self._bus.listen(gateway):
            await self.hears.wait()
            yield command


class Site:
    """A gateway of its own, which can be killed."""

    def __init__(self, made: Harness, number: int) -> None:
        services = CallServices(
            lambda: ChunkedActivity(LoudnessDetector, Policy().settle_s), ScriptedRecogniser(["hello"]), (ToneVoice(),),
            Policy(), WebSocketLeg, partial(Peer, number),  # type: ignore[arg-type]
        )  # fmt: skip
        self.made = made
        self.line = Line(made.bus)
        self.gateway = Gateway(cast(EventBus, self.line), services)
        self.running = asyncio.create_task(self.gateway.run())

    async def connect(self, after: str | None = None) -> tuple[Call, Client]:
        client = Client()
        call = await self.gateway.open_call(self.made.session_id)
        await call.transports.attach_socket(client, after)
        return call, client

    async def kill(self) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)


@asynccontextmanager
async def sites(count: int) -> AsyncIterator[tuple[Harness, list[Site]]]:
    async with harness(connected=False) as made:
        all_of_them = [Site(made, number) for number in range(1, count + 1)]
        try:
            yield made, all_of_them
        finally:
            for site in all_of_them:
                await site.kill()


async def ask(made: Harness, call: Call) -> None:
    call._take(SttFinal(text="tell me", origin="typed"))
    record = await made.state("THINKING")
    turn = record.context.turn
    await made.emit_from("intent-1", IntentDetected(intent="question", turn=turn))
    await made.emit_from("rag-1", RagAnswerReady(text=WORDS.strip(), is_final=True, turn=turn, source="a.md"))


async def miss_a_question(made: Harness, site: Site) -> Client:
    """A client that was gone when a question was asked."""
    call, client = await site.connect()
    await call.transports.detach_socket(client, "the WebSocket closed")
    await made.until(lambda record: record.context.detached)
    await made.emit_from("outside", SttFinal(text="tell me", origin="typed"))
    await made.state("THINKING")
    return client


async def test_an_answer_goes_on_at_another_gateway_from_what_was_confirmed() -> None:
    async with sites(2) as (made, (first, second)):
        call, before = await first.connect()
        await ask(made, call)
        await before.until(lambda: len(before.chunks()) >= 4)
        call._take(PlaybackProgress(turn=1, played_s=0.5))
        await made.until(lambda record: record.context.speech is not None and record.context.speech.played_s == 0.5)
        await first.kill()
        sent = [chunk["seq"] for chunk in before.chunks()]

        _, after = await second.connect(before.last_id)
        await after.until(lambda: bool(after.chunks()) and after.chunks()[-1]["is_final"] is True)
        assert after.messages[0]["type"] == "session"
        seqs = [chunk["seq"] for chunk in after.chunks()]
        assert seqs == list(range(int(str(sent[-1])) + 1, int(str(sent[-1])) + 1 + len(seqs)))
        heard_s = sum(len(str(chunk["audio_base64"])) * 3 / 4 / 32_000 for chunk in after.chunks())
        assert abs(heard_s - 2.5) < 0.01
        speech = (await made.record()).context.speech
        assert speech is not None
        assert abs(speech.sent_s - 3.0) < 0.01, "what was sent again was not counted again"


async def test_a_client_is_told_all_that_it_missed_once_and_in_order() -> None:
    async with sites(2) as (made, (first, second)):
        before = await miss_a_question(made, first)
        _, after = await second.connect(before.last_id)
        expected = await _everything(made)
        await after.until(lambda: len(before.told()) + len(after.told()) >= len(expected))
        ids = [message["id"] for message in (*before.told(), *after.told())]  # type: ignore[index]
        assert ids == expected
        assert [message["type"] for message in after.told()][:2] == ["stt_final", "orchestrator_state"]  # type: ignore[index]


async def test_a_client_that_breaks_off_behind_its_greeting_still_gets_all() -> None:
    async with sites(2) as (made, (first, second)):
        before = await miss_a_question(made, first)
        _, broken = await second.connect(before.last_id)
        await broken.until(lambda: bool(broken.messages))
        _, after = await second.connect(str(broken.messages[0]["id"]))
        expected = await _everything(made)
        await after.until(lambda: len(before.told()) + len(after.told()) >= len(expected))
        assert [message["id"] for message in (*before.told(), *after.told())] == expected  # type: ignore[index]


async def _everything(made: Harness) -> list[object]:
    return [message["id"] for message in missed_messages(await made.bus.journal(made.session_id), "0-0", "9" * 15)]


async def test_the_newest_client_has_the_call_and_the_one_before_is_told() -> None:
    async with sites(2) as (made, (first, second)):
        call, before = await first.connect()
        _, after = await second.connect()
        await before.until(lambda: before.ended is not None)
        assert before.ended is not None
        assert before.ended[0] == 4409
        assert after.ended is None
        await asyncio.wait_for(call.ended.wait(), 5.0)
        record = await made.record()
        assert record.gateway == second.gateway.name
        assert record.context.connected


async def test_a_gateway_that_lost_the_call_has_no_say_in_it() -> None:
    async with sites(2) as (made, (first, second)):
        await first.connect()
        await second.connect()
        first.gateway.publish(made.session_id, Disconnected(reason="its socket closed, as it learns on waking"))
        first.gateway.publish(made.session_id, SttFinal(text="late words", origin="typed"))
        drops = await made.until_dropped(2)
        assert all("gateway does not hold this call" in reason for reason in drops)
        assert (await made.record()).context.connected
        log = await read_log(made.bus, made.session_id, "a call that moved")
        assert log is not None
        assert compare(frozen(log, "a call that moved"), (Policy(), Phrases())).same


async def test_a_gateway_that_stood_still_does_not_greet_who_comes_back_with_what_it_knew() -> None:
    async with sites(2) as (made, (first, second)):
        call, before = await first.connect()
        await ask(made, call)
        await before.until(lambda: len(before.chunks()) >= 2)
        first.line.hears.clear()
        call, elsewhere = await second.connect(before.last_id)
        call._take(SttFinal(text="something else", origin="typed"))
        await made.until(lambda record: record.context.turn == 2)
        await elsewhere.until_type("stt_final")
        coming = asyncio.create_task(first.connect(elsewhere.last_id))
        await before.until(lambda: before.ended is not None)
        first.line.hears.set()
        _, back = await coming
        assert back.messages[0]["payload"]["turn"] == 2  # type: ignore[index]
        assert {chunk["turn"] for chunk in back.chunks()} <= {2}
        assert (await made.record()).gateway == first.gateway.name


async def test_a_gateway_that_was_taken_for_dead_says_that_its_client_is_there() -> None:
    async with sites(1) as (made, (site,)):
        _, client = await site.connect()
        await made.emit_from("orchestrator-2", Disconnected(reason="its gateway is gone"))
        await made.until(lambda record: record.connects == 2 and record.context.connected)
        assert [message["type"] for message in client.messages].count("session") == 1


async def test_an_offer_is_answered_by_the_gateway_to_which_the_client_is_connected() -> None:
    async with sites(3) as (made, (first, second, third)):
        await first.connect()
        answer = await second.gateway.answer_offer(await made.record(), Description("hello", "offer"))
        assert answer.sdp == "hello, answered at 1"
        with pytest.raises(BadOffer, match="no SDP"):
            await second.gateway.answer_offer(await made.record(), Description("nonsense", "offer"))
        assert (await made.record()).gateway == first.gateway.name
        await first.kill()
        answer = await third.gateway.answer_offer(await made.record(), Description("hello", "offer"))
        assert answer.sdp == "hello, answered at 3", "nobody answers there"
