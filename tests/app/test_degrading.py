"""A whole system whose parts fail for real: what the caller hears, and that the floor always comes back."""

from __future__ import annotations

import asyncio
import base64
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from adapters.answers.intents import RuleIntents
from adapters.answers.port import Answerer, IntentClassifier, Judgement, Sentence
from adapters.bus.memory import MemoryBus
from adapters.lane.pool import WorkerPool
from adapters.media.websocket import WebSocketLeg
from adapters.recognisers.port import Recognised, Recogniser
from adapters.voices.espeak import EspeakVoice
from adapters.voices.port import SpeechPiece, Voice, VoiceFailed
from app.dialogue.reading import DELIVERED, read_phrases
from app.gateway.call import Call
from app.gateway.services import CallServices, Message
from app.gateway.voice_activity import ChunkedActivity
from app.runtime import Parts, Runtime
from statecharts.policy import Policy
from tests.app.test_call import MemorySocket, no_peer
from tests.fakes import LoudnessDetector, ScriptedRecogniser, ToneVoice, quiet, sound

PHRASES = read_phrases(DELIVERED, "en")
POLICY = Policy(answer_deadline_s=1.0, filler_after_s=0.3, playout_margin_s=0.2, intent_wait_s=0.1)
ANSWER = "It opened in 1883."


class Prompt:
    """Answers at once."""

    async def answer(self, text: str) -> AsyncIterator[Sentence]:
        yield Sentence(text=ANSWER, source="bridge.md", score=1.0, is_final=True)


class Asleep:
    """Answers after a minute."""

    async def answer(self, text: str) -> AsyncIterator[Sentence]:
        await asyncio.sleep(60.0)
        yield Sentence(text=ANSWER, source="bridge.md", score=1.0, is_final=True)


class Broken:
    """Every part in one, and none of them works."""

    name = "broken"

    def classify(self, text: str) -> Judgement:
        raise RuntimeError("the classifier is broken")

    async def answer(self, text: str) -> AsyncIterator[Sentence]:
        raise RuntimeError("the index is broken")
        yield

    async def synthesise(self, text: str, *, deadline: float = 0.0) -> AsyncIterator[SpeechPiece]:
        raise RuntimeError("the voice is broken")
        yield

    async def recognise(self, pcm: bytes, *, deadline: float = 0.0) -> Recognised:
        raise RuntimeError("the recogniser is broken")

    def close(self) -> None:
        """There is nothing to close."""


class Line:
    """A caller on such a system."""

    def __init__(self, call: Call, socket: MemorySocket) -> None:
        self.call = call
        self.socket = socket

    async def type(self, text: str) -> None:
        await self.call.hear_message(msgspec.json.encode({"type": "stt_final", "text": text}))

    async def speak(self, seconds: float = 0.6) -> None:
        pcm = quiet(0.6) + sound(seconds) + quiet(0.6)
        for start in range(0, len(pcm), 640):
            await self.call.hear_frame(pcm[start : start + 640])
            await asyncio.sleep(0)

    def told(self, type_: str) -> list[Message]:
        return [message["payload"] for message in self.socket.messages if message["type"] == type_]  # type: ignore[misc]

    def states(self) -> list[str]:
        told = [str(payload["state"]) for payload in self.told("orchestrator_state")]
        return [state for number, state in enumerate(told) if number == 0 or told[number - 1] != state]

    def texts(self) -> list[tuple[object, object]]:
        return [(payload["kind"], payload["text"]) for payload in self.told("answer")]

    def audio_s(self, kind: str) -> float:
        chunks = [chunk for chunk in self.told("tts_chunk") if chunk["kind"] == kind]
        return sum(len(base64.b64decode(str(c["audio_base64"]))) / 2 / int(str(c["sample_rate"])) for c in chunks)

    async def until_it_is_over(self) -> None:
        """Wait until the floor is the caller's again."""
        async with asyncio.timeout(12.0):
            while len(self.states()) < 2 or self.states()[-1] != "LISTENING":
                await asyncio.sleep(0.02)


@asynccontextmanager
async def line(
    *,
    voices: tuple[Voice, ...] | None = None,
    recogniser: Recogniser | None = None,
    classifier: IntentClassifier | None = None,
    answerer: Answerer | None = None,
    bus: MemoryBus | None = None,
    pool: WorkerPool | None = None,
    policy: Policy = POLICY,
) -> AsyncIterator[Line]:
    """Run all roles on the memory bus, with a caller connected."""
    services = CallServices(
        activity=lambda: ChunkedActivity(LoudnessDetector, policy.settle_s),
        recogniser=recogniser or ScriptedRecogniser(["how old is the bridge"]),
        voices=voices or (ToneVoice(),), policy=policy, fed_leg=WebSocketLeg, peer_leg=no_peer,
    )  # fmt: skip
    parts = Parts(
        policy=policy, phrases=PHRASES, call_services=services, classifier=classifier or RuleIntents(),
        answerer=answerer or Prompt(), pool=pool,
    )  # fmt: skip
    runtime = Runtime(
        bus=bus or MemoryBus(partitions=1), roles=("gateway", "orchestrator", "workers"), mirrored=False,
        retention_s=3600.0, clock=time.time,
    )  # fmt: skip
    started = asyncio.Event()
    running = asyncio.create_task(runtime.run(parts, started))
    try:
        await started.wait()
        while await runtime.missing():
            await asyncio.sleep(0.01)
        assert runtime.gateway is not None
        call, socket = await runtime.gateway.open_call(str(uuid.uuid4())), MemorySocket()
        await call.transports.attach_socket(socket)
        yield Line(call, socket)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_classifier_that_raises_costs_the_intent_and_not_the_answer() -> None:
    async with line(classifier=Broken()) as made:
        await made.type("how old is the bridge")
        await made.until_it_is_over()
        assert made.texts() == [("answer", ANSWER)]
        assert made.states() == ["THINKING", "SPEAKING", "LISTENING"]


@pytest.mark.parametrize(("answerer", "filled"), [(Asleep(), True), (Broken(), None)], ids=["sleeps", "raises"])
async def test_an_answerer_that_fails_is_bridged_and_apologised_for_aloud(
    answerer: Answerer, filled: bool | None
) -> None:
    async with line(answerer=answerer) as made:
        await made.type("how old is the bridge")
        await made.until_it_is_over()
        said = [(kind, text) for kind, text in made.texts() if text]
        assert said[-1][0] == "apology"
        assert said[-1][1] in PHRASES.apology
        assert made.audio_s("apology") > 0.5
        if filled:  # one that raises may fail for good before or after a filler is due
            assert said[0][0] == "filler"
            assert said[0][1] in PHRASES.filler.question
        assert made.states() == ["THINKING", "SPEAKING", "LISTENING"]


async def test_a_recogniser_that_raises_is_admitted_aloud() -> None:
    async with line(recogniser=Broken()) as made:
        await made.speak()
        async with asyncio.timeout(8.0):
            while "SPEAKING" not in made.states():
                await asyncio.sleep(0.02)
        await made.until_it_is_over()
        assert [kind for kind, _ in made.texts()] == ["apology"]
        assert made.texts()[0][1] in PHRASES.not_heard
        assert made.audio_s("apology") > 0.3


async def test_a_voice_that_raises_is_followed_by_the_next_one() -> None:
    espeak = EspeakVoice()
    async with line(voices=(Broken(), espeak)) as made:
        await made.type("how old is the bridge")
        await made.until_it_is_over()
        assert made.texts() == [("answer", ANSWER)], "its text is shown once"
        assert made.audio_s("answer") > 1.0
        assert made.states() == ["THINKING", "SPEAKING", "LISTENING"]
        assert sum(bool(chunk["is_final"]) for chunk in made.told("tts_chunk")) == 1
    espeak.close()


async def test_a_voice_that_breaks_off_leaves_the_rest_to_the_next_one() -> None:
    class BreaksOff(ToneVoice):
        async def synthesise(self, text: str, *, deadline: float = 0.0) -> AsyncIterator[SpeechPiece]:
            async for piece in super().synthesise(text, deadline=deadline):
                yield piece
                if "1883" not in text:
                    await asyncio.sleep(0.2)
                    raise VoiceFailed("half way")

    class Two:
        async def answer(self, text: str) -> AsyncIterator[Sentence]:
            yield Sentence(text="It is a rather old bridge.", source="bridge.md", score=1.0)
            yield Sentence(text=ANSWER, source="bridge.md", score=1.0, is_final=True)

    async with line(voices=(BreaksOff(), ToneVoice()), answerer=Two()) as made:
        await made.type("how old is the bridge")
        await made.until_it_is_over()
        assert [text for _, text in made.texts()] == ["It is a rather old bridge.", ANSWER]
        assert abs(made.audio_s("answer") - 0.5) < 0.001, "a word of the first sentence, four of the second"


async def test_without_any_voice_the_text_goes_out_and_the_turn_ends() -> None:
    async with line(voices=(Broken(), Broken())) as made:
        for turn in (1, 2):
            await made.type("how old is the bridge")
            async with asyncio.timeout(8.0):
                while made.states() != ["THINKING", "LISTENING"] * turn:
                    await asyncio.sleep(0.02)
        assert made.texts() == [("answer", ANSWER)] * 2
        assert made.audio_s("answer") == 0
        assert [chunk["is_final"] for chunk in made.told("tts_chunk")] == [True, True]


async def test_with_everything_broken_the_floor_still_comes_back() -> None:
    async with line(voices=(Broken(),), classifier=Broken(), answerer=Broken()) as made:
        await made.type("how old is the bridge")
        await made.until_it_is_over()
        assert [kind for kind, text in made.texts() if text][-1] == "apology"
