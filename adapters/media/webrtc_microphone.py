"""The caller's track as PCM."""

from __future__ import annotations

from collections.abc import Callable

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from adapters.media.microphone import MICROPHONE_RATE_HZ, MicrophoneQueue
from adapters.media.opus import OPUS_RATE_HZ, Resampler

__all__ = ["listen"]

_MAX_GAP_S = 0.5
"""Longest hole filled with silence. Lost packets leave short ones; a long one is a microphone that was switched off."""


async def listen(track: MediaStreamTrack, microphone: MicrophoneQueue, on_media: Callable[[], None] | None) -> None:
    """Move what the track brings into `microphone` until it ends, heard or not: aiortc's own queue has no bound.

    Args:
        track: The remote track; Opus, decoded by aiortc.
        microphone: Gets PCM s16le, 16 kHz mono. Lost packets are silence there, so that it keeps time.
        on_media: Called with every frame, if given.
    """
    resampler = Resampler(OPUS_RATE_HZ, MICROPHONE_RATE_HZ)
    expected_tick: int | None = None
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        assert isinstance(frame, AudioFrame)
        if on_media is not None:
            on_media()
        tick = frame.pts
        if tick is not None:
            missing_s = 0.0 if expected_tick is None else (tick - expected_tick) / OPUS_RATE_HZ
            if 0.0 < missing_s <= _MAX_GAP_S:
                microphone.put(bytes(2 * round(missing_s * MICROPHONE_RATE_HZ)))
            expected_tick = tick + frame.samples
        # The resampler works on the samples alone; a timestamp that jumps would only confuse it.
        frame.pts = None
        if pcm := resampler.feed_frame(frame):
            microphone.put(pcm)
