"""Hears one caller: keeps the audio, makes utterances of the voice in it, and has them recognised."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import Struct

from adapters.recognisers.port import Recogniser
from app.gateway.alarm import Alarm
from app.gateway.tape import Tape, bytes_of, seconds_of
from app.gateway.utterance import Utterance
from app.gateway.voice_activity import Heard, VoiceActivity
from statecharts.events import Event, SpeechStarted, SpeechStopped
from statecharts.policy import Policy

__all__ = ["Ear"]

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
    """Where its utterance begins if this is the first: before the onset."""
    onset: int


class Ear:
    """One caller's utterances and their recognition.

    Args:
        activity: Where the voice on this microphone begins and ends.
        recogniser: Shared by all calls.
        policy: How often partial words are wanted.
        publish: Takes each fact, in order, with the seconds since the true end of the voice (0: does not apply).
        alarm: Told of the first sign, the onset and the end of a voice, before anybody else.
    """

    def __init__(
        self,
        activity: VoiceActivity,
        recogniser: Recogniser,
        policy: Policy,
        publish: Callable[[Event, float], None],
        alarm: Alarm,
    ) -> None:
        self._activity = activity
        self._policy = policy
        self._publish = publish
        self._alarm = alarm
        self._tape = Tape()
        self._segment: _Segment | None = None
        self._settled_at = 0
        """Up to where the last stretch of voice was heard: what follows is no part of it."""
        self._utterance = Utterance(self._tape, recogniser, policy.partial_every_s, publish)
        self.heard_at = 0.0
        """When audio came last, on the event loop's clock."""
        self._wary = False
        self._gap: asyncio.TimerHandle | None = None

    @property
    def voice_on(self) -> bool:
        """Whether the caller's voice is heard now."""
        return self._segment is not None

    @property
    def hearing(self) -> bool:
        """Whether there are sounds of the caller's that nobody has taken up yet."""
        return self._utterance.start is not None

    def hear(self, pcm: bytes) -> None:
        """Take the next piece of the microphone's audio (s16le, 16 kHz mono, any even length)."""
        self.heard_at = asyncio.get_running_loop().time()
        was_wary, self._wary = self._wary, self._alarm.wary
        if self._wary and self._activity.noticed(pcm, anew=not was_wary):
            self._alarm.sign(self.heard_at)
        for heard in self._activity.hear(pcm):
            self._take(heard)

    def begin_utterance(self, *, words_wanted: bool = False, afresh: bool = False) -> None:
        """What was heard so far belongs to an utterance that is over; a voice that is on begins the next.

        Args:
            words_wanted: Whether its words are still of use when they come, however late.
            afresh: Whether a voice that is on was taken up as well, as far as it was heard.
        """
        if afresh and self._segment is not None:
            self._segment.start = self._tape.end
        start = None if self._segment is None else self._segment.start
        self._utterance.let_go(start, words_wanted=words_wanted)
        self._forget()

    async def finish(self, within_s: float) -> None:
        """Nothing more is said: return when the words of what was heard last are told, or after so long."""
        if self._segment is not None:
            self._segment = None
            self._utterance.end_voice(0.0)
        await self._utterance.wait(within_s)

    async def close(self) -> None:
        """Stop recognising."""
        if self._gap is not None:
            self._gap.cancel()
        await self._utterance.close()

    def _take(self, heard: Heard) -> None:
        self._tape.append(heard.pcm)
        if heard.edge is not None and heard.edge.voice:
            self._begin_segment(heard.edge.since_s)
        elif heard.edge is not None and self._segment is not None:
            self._end_segment(self._segment, heard.edge.since_s)
        elif heard.voiced and self._segment is not None:
            if (cut_at := self._utterance.go_on()) is not None:
                self._segment.start = cut_at
        elif heard.pause_s >= self._policy.recognise_ahead_s > 0:
            self._utterance.recognise_ahead(self._policy.settle_s - heard.pause_s)
        self._forget()

    def _begin_segment(self, voice_s: float) -> None:
        onset = self._tape.end - bytes_of(voice_s)
        # Not from before the end of the voice before: its last word would be heard once more.
        start = max(self._tape.start, self._settled_at, onset - bytes_of(PRE_ROLL_S))
        self._segment = _Segment(start, onset)
        # Over our voice the first words are wanted by the time at which a voice counts as one that lasts.
        soon_s = self._policy.barge_in_speech_s if self._alarm.over_ours else self._policy.partial_every_s
        self._utterance.begin_voice(start, soon_s)
        self._await_gap(MIC_GAP_S)
        self._alarm.voice(True, self.heard_at)
        self._publish(SpeechStarted(audio_s=seconds_of(onset)), 0.0)

    def _await_gap(self, delay_s: float) -> None:
        if self._gap is not None:
            self._gap.cancel()
        self._gap = asyncio.get_running_loop().call_later(delay_s, self._notice_gap)

    def _notice_gap(self) -> None:
        """Take a microphone that fell silent without telling for a caller who did."""
        self._gap = None
        if self._segment is None:
            return
        left_s = self.heard_at + MIC_GAP_S - asyncio.get_running_loop().time()
        if left_s > 0:
            self._await_gap(left_s)
        else:
            self.hear(bytes(bytes_of(MIC_GAP_S)))

    def _end_segment(self, segment: _Segment, silence_s: float) -> None:
        end = self._tape.end - bytes_of(silence_s)
        self._segment = None
        self._alarm.voice(False, self.heard_at)
        duration_s = max(0.0, seconds_of(end - segment.onset))
        self._publish(SpeechStopped(audio_s=seconds_of(end), duration_s=duration_s, silence_s=silence_s), silence_s)
        self._settled_at = self._utterance.end_voice(silence_s)

    def _forget(self) -> None:
        keep_from = self._tape.end - bytes_of(PRE_ROLL_S + ONSET_S)
        if self._utterance.start is not None:
            keep_from = min(keep_from, self._utterance.start)
        self._tape.forget_before(keep_from)
