"""Hears one caller: keeps the audio, makes utterances of the voice in it, and has them recognised."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

import structlog
from msgspec import Struct

from adapters.detectors.port import SAMPLE_RATE_HZ
from adapters.recognisers.port import Overloaded, Recognised, Recogniser, RecogniserFailed
from app.gateway.voice_activity import Heard, VoiceActivity
from statecharts.events import Event, SpeechStarted, SpeechStopped, SttFailed, SttFinal, SttPartial
from statecharts.policy import Policy

__all__ = ["Ear"]

_log = structlog.get_logger()

PRE_ROLL_S = 0.5
"""Audio kept from before the onset: a first consonant is quieter than the detector's threshold, for up to 0.3 s."""
MIC_GAP_S = 2.5
"""Without audio for so long, a voice that was on counts as fallen silent: longer than the 2 s that the longest frame of
a WebSocket client takes to fill."""
ONSET_S = 0.1
"""Audio kept beside it for a voice that begins now and is not believed yet."""


class _Segment(Struct):
    """Where one stretch of voice lies in the microphone's audio, in bytes."""

    start: int
    end: int = 0


class Ear:
    """One caller's utterances and their recognition.

    Args:
        activity: Where the voice on this microphone begins and ends.
        recogniser: Shared by all calls.
        policy: How often partial words are wanted.
        publish: Takes each fact, in order, with the seconds since the true end of the voice (0: does not apply).
        on_voice: Called at the onset and at the end of a voice, before anything else, for the reflex.
    """

    def __init__(
        self,
        activity: VoiceActivity,
        recogniser: Recogniser,
        policy: Policy,
        publish: Callable[[Event, float], None],
        on_voice: Callable[[bool], None],
    ) -> None:
        self._activity = activity
        self._recogniser = recogniser
        self._policy = policy
        self._publish = publish
        self._on_voice = on_voice
        self._audio: deque[bytes] = deque()
        self._audio_start = 0
        self._audio_end = 0
        self._segment: _Segment | None = None
        self._utterance_start: int | None = None
        self._pieces: list[str] = []
        self._pending: asyncio.Task[None] | None = None
        self._overdue: asyncio.Task[None] | None = None
        """Recognises an utterance that is over."""
        self._ahead: asyncio.Task[Recognised | None] | None = None
        """Recognises what was said before a pause that may become a silence."""
        self._partial_at = 0
        self._heard_at = 0.0
        self._gap: asyncio.TimerHandle | None = None

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
        self._heard_at = asyncio.get_running_loop().time()
        for heard in self._activity.hear(pcm):
            self._take(heard)

    def begin_utterance(self, *, words_wanted: bool = False) -> None:
        """What was heard so far belongs to an utterance that is over; a voice that is on begins the next.

        Args:
            words_wanted: Whether its words are still of use when they come, however late.
        """
        if words_wanted and self._pending is not None:
            if self._overdue is not None:
                self._overdue.cancel()
            self._overdue, self._pending = self._pending, None
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
        self._forget_ahead()
        self._recognise(pcm, 0.0, final=True, piece=True)

    async def finish(self, within_s: float) -> None:
        """Nothing more is said: return when the words of what was heard last are told, or after so long."""
        if self._segment is not None and self._utterance_start is not None:
            self._segment = None
            self._recognise(self._between(self._utterance_start, self._audio_end), 0.0, final=True)
        if running := [task for task in (self._pending, self._overdue) if task is not None]:
            await asyncio.wait(running, timeout=within_s)

    async def close(self) -> None:
        """Stop recognising."""
        if self._gap is not None:
            self._gap.cancel()
        self._forget_ahead()
        running = [task for task in (self._pending, self._overdue) if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _take(self, heard: Heard) -> None:
        self._audio.append(heard.pcm)
        self._audio_end += len(heard.pcm)
        if heard.edge is not None and heard.edge.voice:
            self._begin_segment(heard.edge.since_s)
        elif heard.edge is not None and self._segment is not None:
            self._end_segment(self._segment, heard.edge.since_s)
        elif heard.voiced and self._segment is not None:
            self._forget_ahead()
            self._maybe_partial()
        elif heard.pause_s >= self._policy.recognise_ahead_s > 0:
            self._recognise_ahead(self._policy.settle_s - heard.pause_s)
        self._drop_old_audio()

    def _begin_segment(self, voice_s: float) -> None:
        onset = self._audio_end - _bytes(voice_s)
        start = max(self._audio_start, onset - _bytes(PRE_ROLL_S))
        self._segment = _Segment(start)
        self._cancel_recognition()
        if self._utterance_start is None:
            self._utterance_start = start
        self._partial_at = self._audio_end + _bytes(self._policy.partial_every_s)
        self._await_gap(MIC_GAP_S)
        self._on_voice(True)
        self._publish(SpeechStarted(audio_s=_seconds(onset)), 0.0)

    def _await_gap(self, delay_s: float) -> None:
        if self._gap is not None:
            self._gap.cancel()
        self._gap = asyncio.get_running_loop().call_later(delay_s, self._notice_gap)

    def _notice_gap(self) -> None:
        """Take a microphone that fell silent without telling for a caller who did."""
        self._gap = None
        if self._segment is None:
            return
        left_s = self._heard_at + MIC_GAP_S - asyncio.get_running_loop().time()
        if left_s > 0:
            self._await_gap(left_s)
        else:
            self.hear(bytes(_bytes(MIC_GAP_S)))

    def _end_segment(self, segment: _Segment, silence_s: float) -> None:
        segment.end = self._audio_end - _bytes(silence_s)
        self._segment = None
        self._on_voice(False)
        duration_s = _seconds(segment.end - segment.start) - PRE_ROLL_S
        self._publish(
            SpeechStopped(audio_s=_seconds(segment.end), duration_s=max(0.0, duration_s), silence_s=silence_s),
            silence_s,
        )
        if self._utterance_start is not None:
            self._recognise(self._between(self._utterance_start, self._audio_end), silence_s, final=True)

    def _recognise_ahead(self, wanted_in_s: float) -> None:
        """Begin to recognise, since the voice may have ended; nobody is told before it has."""
        if self._ahead is None and self._utterance_start is not None:
            pcm = self._between(self._utterance_start, self._audio_end)
            deadline = asyncio.get_running_loop().time() + wanted_in_s
            self._ahead = asyncio.create_task(self._try(pcm, deadline))

    async def _try(self, pcm: bytes, deadline: float) -> Recognised | None:
        with contextlib.suppress(Overloaded, RecogniserFailed):  # it is tried again once the voice has ended
            return await self._recogniser.recognise(pcm, deadline=deadline)
        return None

    def _forget_ahead(self) -> None:
        if self._ahead is not None:
            self._ahead.cancel()
            self._ahead = None

    def _maybe_partial(self) -> None:
        if self._audio_end < self._partial_at or self._pending is not None or self._utterance_start is None:
            return
        self._partial_at = self._audio_end + _bytes(self._policy.partial_every_s)
        self._recognise(self._between(self._utterance_start, self._audio_end), 0.0, final=False)

    def _recognise(self, pcm: bytes, silence_s: float, *, final: bool, piece: bool = False) -> None:
        # A partial that is still being made is worth nothing once more is known; a piece must not be lost.
        earlier = self._pending
        if earlier is not None and not piece:
            self._cancel_recognition()
            earlier = None
        ended_at = asyncio.get_running_loop().time() - silence_s
        ahead, self._ahead = (self._ahead, None) if final and not piece else (None, self._ahead)
        self._pending = asyncio.create_task(
            self._words(pcm, ended_at, final=final, piece=piece, earlier=earlier, ahead=ahead)
        )

    async def _words(
        self,
        pcm: bytes,
        ended_at: float,
        *,
        final: bool,
        piece: bool,
        earlier: asyncio.Task[None] | None,
        ahead: asyncio.Task[Recognised | None] | None,
    ) -> None:
        loop = asyncio.get_running_loop()
        if earlier is not None:
            await asyncio.gather(earlier, return_exceptions=True)
        try:
            heard = await ahead if ahead is not None else None
            if heard is None:
                heard = await self._recogniser.recognise(pcm, deadline=loop.time() + (0.0 if final else 1.0))
            while final and heard.draft:
                self._publish_words(heard, 0.0, final=False, piece=False)
                heard = await self._recogniser.recognise(pcm, deadline=loop.time())
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
        self._forget_ahead()
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None

    def _between(self, start: int, end: int) -> bytes:
        audio = b"".join(self._audio)
        return audio[max(0, start - self._audio_start) : end - self._audio_start]

    def _drop_old_audio(self) -> None:
        keep_from = self._audio_end - _bytes(PRE_ROLL_S + ONSET_S)
        if self._utterance_start is not None:
            keep_from = min(keep_from, self._utterance_start)
        while self._audio and self._audio_start + len(self._audio[0]) <= keep_from:
            self._audio_start += len(self._audio.popleft())


def _bytes(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE_HZ) * 2


def _seconds(offset: int) -> float:
    return round(offset / 2 / SAMPLE_RATE_HZ, 3)
