"""The unit and integration tests of the guide this system grew from (its part 8), with the same assertions."""

from __future__ import annotations

from statecharts.events import (
    BargeIn,
    IntentDetected,
    PlaybackDone,
    RagAnswerReady,
    SttFinal,
    SttPartial,
    TtsChunkReady,
    TtsDone,
)
from tests.app.harness import Harness, harness


async def speaking(made: Harness) -> None:
    """Ask, and have the answer's first audio sent."""
    await made.emit(SttFinal(text="hello", confidence=0.95))
    await made.state("THINKING")
    await made.emit(IntentDetected(intent="question", turn=1))
    await made.emit(RagAnswerReady(text="Hello! How can I help?", is_final=True, turn=1, source="a.md"))
    await made.until(lambda record: record.context.speech is not None)
    await made.emit(TtsChunkReady(turn=1, audio_ms=1500, request_id="1.answer.1"))
    await made.state("SPEAKING")


async def test_stt_final_triggers_parallel_intent_rag() -> None:
    async with harness() as made:
        await made.emit(SttFinal(text="hello", confidence=0.95))
        await made.state("THINKING")
        assert "voice.intent.request" in made.types("intent")
        assert "voice.rag.request" in made.types("rag")


async def test_barge_in_cancels_tts() -> None:
    async with harness() as made:
        await speaking(made)
        await made.emit(BargeIn())
        await made.state("INTERRUPT")
        await made.emit(SttPartial(text="wait a moment"))
        await made.state("LISTENING")
        assert "voice.tts.cancel" in made.types("tts")
        triggers = [envelope.payload.get("trigger") for envelope in made.emitted("orchestrator")]
        assert "barge_in" in triggers
        assert "ready_for_next" in triggers


async def test_full_loop() -> None:
    async with harness() as made:
        # 1. Send STT final; 2. the orchestrator goes to THINKING
        await made.emit(SttFinal(text="hello", confidence=0.95))
        await made.state("THINKING")
        # 3. Intent and RAG requests were sent
        assert len(made.emitted("intent")) > 0
        assert len(made.emitted("rag")) > 0
        # 4. Emit the RAG answer; 5. a TTS request is emitted
        await made.emit(IntentDetected(intent="question", turn=1))
        await made.emit(RagAnswerReady(text="Hello! How can I help?", is_final=True, turn=1, source="a.md"))
        await made.until(lambda record: record.context.speech is not None)
        assert len(made.emitted("tts")) > 0
        # The voice sends its audio, as the TTS service of the guide does
        await made.emit(TtsChunkReady(turn=1, audio_ms=1500, request_id="1.answer.1"))
        await made.emit(TtsDone(turn=1, request_id="1.answer.1"))
        await made.state("SPEAKING")
        # 6. Emit playback done; 7. the orchestrator is back to LISTENING
        await made.emit(PlaybackDone())
        await made.state("LISTENING")
