"""Recorded and synthesised speech for the tests; `CREDITS.md` says whose."""

from __future__ import annotations

from pathlib import Path

import av

__all__ = ["FOLDER", "load"]

FOLDER = Path(__file__).parent
RATE_HZ = 16_000


def load(name: str) -> bytes:
    """Return a clip as PCM (s16le, 16 kHz mono)."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
    with av.open(str(FOLDER / name)) as container:
        frames = [frame for decoded in container.decode(audio=0) for frame in resampler.resample(decoded)]
    frames += resampler.resample(None)
    return b"".join(bytes(frame.planes[0])[: frame.samples * 2] for frame in frames)
