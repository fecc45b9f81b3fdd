"""Hears one caller: detects the voice, keeps the audio, and has it recognised."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import structlog
from msgspec import Struct

from adapters.detectors.port import CHUNK_SAMPLES, SAMPLE_RATE_HZ, VoiceStream
from adapters.recognisers.port import Overloaded, Recognised, Recogniser, RecogniserFailed
from statecharts.events import Event, SpeechStarted, SpeechStopped, SttFailed, SttFinal, SttPartial
from statecharts.policy import Policy

__all__ = ["Ear"]

_log = structlog.get_logger()

CHUNK_BYTES = CHUNK_SAMPLES * 2
CHUNK_S = CHUNK_SAMPLES / SAMPLE_RATE_HZ
VOICE_ON = 0.5
"""Probability from which a chunk is a voice: the detector's own default."""
VOICE_OFF = 0.35
"""Probability below which it is none any more: the detector's own default hysteresis."""
ONSET_CHUNKS = 2
"""Chunks of voice before it is believed, 64 ms: one alone is often a click, three cost 32 ms of every barge-in."""
PRE_ROLL_S = 0.5
"""Audio kept from before the onset: a first consonant is quieter than the detector's threshold, for up to 0.3 s."""


class _Segment(Struct):
    """Where one stretch of voice lies in the microphone's audio, in bytes."""

    start: int
    end: int = 0


class Ear:
    """One caller's detector, endpointing and recognition.

    Args:
        voice: The detector's memory of this microphone.
        recogniser: Shared by all calls.
        policy: How long a silence is, how often partial words are wanted.
        publish: Takes each fact, in order, with the seconds since the true end of the voice (0: does not apply).
        on_voice: Called at the onset and at the end of a voice, before anything else, for the reflex.
    """

    def __init__(
        self,
        voice: VoiceStream,
        recogniser: Recogniser,
        policy: Policy,
        publish: Callable[[Event, float], None],
        on_voice: Callable[[bool], None],
    ) -> None:
        self._voice = voice
        self._recogniser = recogniser
        self._policy = policy
        self._publish = publish
        self._on_voice = on_voice
        self._rest = b""
        self._audio: deque[bytes] = deque()
        self._audio_start = 0
        self._audio_end = 0
        self._onset_run = 0
        self._silent_run = 0
        self._segment: _Segment | None = None
        self._utterance_start: int | None = None
        self._pieces: list[str] = []
        self._pending: asyncio.Task[None] | None = None
        self._partial_at = 0

    @property
    def voice_on(self) -> bool:
        """Whether the caller's voice is heard now."""
        return self._segment is not None

    @property
    def hearing(self) -> bool:
        """Whether there are sounds of the caller's that nobody has taken up yet."""
        return self._utterance_start is not None

    def hear(self, pcm: bytes) -> None:
        """Take the next piece of the microphone's audio (s16le, 16 kHz mono, any even length)."""
        self._rest += pcm
        while len(self._rest) >= CHUNK_BYTES:
            chunk, self._rest = self._rest[:CHUNK_BYTES], self._rest[CHUNK_BYTES:]
            self._take(chunk)

    def begin_utterance(self) -> None:
        """What was heard so far belongs to an utterance that is over; a voice that is on begins the next."""
        self._cancel_recognition()
        self._pieces = []
        if self._segment is None:
            self._utterance_start = None
        else:
            self._utterance_start = self._segment.start
        self._drop_old_audio()

    def cut_utterance(self) -> None:
        """Have what was heard so far recognised as a piece of its own."""
        if self._utterance_start is None:
            return
        pcm = self._between(self._utterance_start, self._audio_end)
        self._utterance_start = self._audio_end
        self._drop_old_audio()
        self._recognise(pcm, final=True, piece=True)

    async def close(self) -> None:
        """Stop recognising."""
        pending = self._pending
        self._cancel_recognition()
        if pending is not None:
            await asyncio.gather(pending, return_exceptions=True)

    def _take(self, chunk: bytes) -> None:
        self._audio.append(chunk)
        self._audio_end += len(chunk)
        probability = self._voice.probability(chunk)
        if self._segment is None:
            self._await_onset(probability)
        else:
            self._await_silence(self._segment, probability)
        self._drop_old_audio()

    def _await_onset(self, probability: float) -> None:
        self._onset_run = self._onset_run + 1 if probability >= VOICE_ON else 0
        if self._onset_run < ONSET_CHUNKS:
            return
        onset = self._audio_end - self._onset_run * CHUNK_BYTES
        start = max(self._audio_start, onset - _bytes(PRE_ROLL_S))
        self._segment = _Segment(start)
        self._onset_run = self._silent_run = 0
        self._cancel_recognition()
        if self._utterance_start is None:
            self._utterance_start = start
        self._partial_at = self._audio_end + _bytes(self._policy.partial_every_s)
        self._on_voice(True)
        self._publish(SpeechStarted(audio_s=_seconds(onset)), 0.0)

    def _await_silence(self, segment: _Segment, probability: float) -> None:
        if probability >= VOICE_OFF:
            self._silent_run = 0
            self._maybe_partial()
            return
        self._silent_run += 1
        silence_s = self._silent_run * CHUNK_S
        if silence_s < self._policy.settle_s:
            return
        segment.end = self._audio_end - self._silent_run * CHUNK_BYTES
        self._segment = None
        self._on_voice(False)
        duration_s = _seconds(segment.end - segment.start) - PRE_ROLL_S
        self._publish(
            SpeechStopped(audio_s=_seconds(segment.end), duration_s=max(0.0, duration_s), silence_s=silence_s),
            silence_s,
        )
        if self._utterance_start is not None:
            self._recognise(self._between(self._utterance_start, self._audio_end), final=True)

    def _maybe_partial(self) -> None:
        if self._audio_end < self._partial_at or self._pending is not None or self._utterance_start is None:
            return
        self._partial_at = self._audio_end + _bytes(self._policy.partial_every_s)
        self._recognise(self._between(self._utterance_start, self._audio_end), final=False)

    def _recognise(self, pcm: bytes, *, final: bool, piece: bool = False) -> None:
        # A partial that is still being made is worth nothing once more is known; a piece must not be lost.
        earlier = self._pending
        if earlier is not None and not piece:
            self._cancel_recognition()
            earlier = None
        ended_at = asyncio.get_running_loop().time() - self._silent_run * CHUNK_S
        self._pending = asyncio.create_task(self._words(pcm, ended_at, final=final, piece=piece, earlier=earlier))

    async def _words(
        self, pcm: bytes, ended_at: float, *, final: bool, piece: bool, earlier: asyncio.Task[None] | None
    ) -> None:
        loop = asyncio.get_running_loop()
        if earlier is not None:
            await asyncio.gather(earlier, return_exceptions=True)
        try:
            heard = await self._recogniser.recognise(pcm, deadline=loop.time() + (0.0 if final else 1.0))
        except (Overloaded, RecogniserFailed) as error:
            _log.warning("not_recognised", error=str(error), final=final)
            if final:
                self._publish(SttFailed(error=str(error)), 0.0)
            return
        finally:
            if self._pending is asyncio.current_task():
                self._pending = None
        self._publish_words(heard, loop.time() - ended_at, final=final, piece=piece)

    def _publish_words(self, heard: Recognised, since_end_s: float, *, final: bool, piece: bool) -> None:
        text = " ".join([*self._pieces, heard.text]).strip()
        duration_ms = heard.audio_s * 1000
        if piece and heard.text:
            self._pieces.append(heard.text)
        if final:
            self._publish(SttFinal(text=text, confidence=heard.confidence, duration_ms=duration_ms), since_end_s)
        elif text:
            self._publish(SttPartial(text=text, confidence=heard.confidence, duration_ms=duration_ms), 0.0)

    def _cancel_recognition(self) -> None:
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None

    def _between(self, start: int, end: int) -> bytes:
        audio = b"".join(self._audio)
        return audio[max(0, start - self._audio_start) : end - self._audio_start]

    def _drop_old_audio(self) -> None:
        keep_from = self._audio_end - _bytes(PRE_ROLL_S + ONSET_CHUNKS * CHUNK_S)
        if self._utterance_start is not None:
            keep_from = min(keep_from, self._utterance_start)
        while self._audio and self._audio_start + len(self._audio[0]) <= keep_from:
            self._audio_start += len(self._audio.popleft())


def _bytes(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE_HZ) * 2


def _seconds(offset: int) -> float:
    return round(offset / 2 / SAMPLE_RATE_HZ, 3)
