"""Recordings in and out: any WAV file becomes what a microphone sends."""

from __future__ import annotations

import wave
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from statecharts.events import VoicechartError

__all__ = [
    "MIC_RATE_HZ",
    "BadRecording",
    "Speech",
    "read_wav",
    "resample",
    "speech_end_s",
    "speech_start_s",
    "write_wav",
]

MIC_RATE_HZ = 16_000
"""What the server takes from a microphone."""
SPEECH_RANGE_DB = 30.0
"""A frame this far below the loudest one still counts as speech: the range of the voice within a sentence."""
_FRAME_S = 0.010
_LONGEST_S = 3600.0
"""A recording beyond this is a mistake, not a caller; it is also what keeps memory bounded (110 MiB)."""


class BadRecording(VoicechartError):
    """A file that cannot be spoken; the message says why."""


class Speech(Struct, frozen=True):
    """What a caller says."""

    pcm: bytes
    """s16le mono at `MIC_RATE_HZ`."""
    end_s: float
    """True end of the speech in it, in seconds; see `speech_end_s`. Of silence, its own end."""

    @property
    def duration_s(self) -> float:
        """Length of the whole recording, in seconds."""
        return len(self.pcm) / 2 / MIC_RATE_HZ


def read_wav(path: Path) -> Speech:
    """Read a recording: 8 to 32 bit or float, any rate, mono or stereo.

    Raises:
        BadRecording: It is missing, empty, too long, or no WAV file.
    """
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        raise BadRecording(f"cannot read {path}: {error.strerror or error}. Give the path of a WAV file.") from error
    if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        found = "it is empty" if not head else f"it begins with {head[:4]!r} instead of b'RIFF'"
        raise BadRecording(
            f"{path} is no WAV file: {found}. Convert it first, for example: ffmpeg -i {path.name} speech.wav"
        )
    try:
        pcm = _decode(path)
    except (av.FFmpegError, IndexError) as error:
        raise BadRecording(f"{path} is damaged: {error}. Save it again as PCM WAV.") from error
    if not pcm:
        raise BadRecording(f"{path} holds no audio. Record it again.")
    # One may call and say nothing; what is waited for begins at the end of that.
    return Speech(pcm, speech_end_s(pcm, MIC_RATE_HZ) or len(pcm) / 2 / MIC_RATE_HZ)


def _decode(path: Path) -> bytes:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=MIC_RATE_HZ)
    pieces: list[bytes] = []
    length = 0
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            pieces += [_bytes_of(piece) for piece in resampler.resample(frame)]
            length += len(pieces[-1]) if pieces else 0
            if length > _LONGEST_S * MIC_RATE_HZ * 2:
                raise BadRecording(f"{path} is longer than {_LONGEST_S:.0f} s. Cut it into single calls.")
        pieces += [_bytes_of(piece) for piece in resampler.resample(None)]
    return b"".join(pieces)


def _bytes_of(frame: av.AudioFrame) -> bytes:
    """Return the samples of a packed frame without the padding of its plane."""
    return bytes(frame.planes[0])[: frame.samples * 2 * len(frame.layout.channels)]


def speech_start_s(pcm: bytes, rate_hz: int) -> float:
    """Return where the speech in a recording truly begins, in seconds: as `speech_end_s`, its first such frame."""
    loud, frame = _loud_frames(pcm, rate_hz)
    return int(loud[0]) * frame / rate_hz if len(loud) else 0.0


def speech_end_s(pcm: bytes, rate_hz: int) -> float:
    """Return where the speech in a recording truly ends, in seconds.

    That is the end of the last 10 ms frame whose level (RMS) is within `SPEECH_RANGE_DB` of the loudest frame's; 0.0
    if all is digital silence. It needs no detector, so it can judge one.
    """
    loud, frame = _loud_frames(pcm, rate_hz)
    return min((int(loud[-1]) + 1) * frame, len(pcm) // 2) / rate_hz if len(loud) else 0.0


def _loud_frames(pcm: bytes, rate_hz: int) -> tuple[npt.NDArray[np.intp], int]:
    """Return which frames are speech, and how many samples a frame has."""
    frame = int(rate_hz * _FRAME_S)
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    padded = np.pad(samples, (0, -len(samples) % frame)).reshape(-1, frame)
    power = np.square(padded).mean(axis=1)
    if not len(power) or power.max() == 0.0:
        return np.array([], np.intp), frame
    return np.flatnonzero(power >= power.max() * 10 ** (-SPEECH_RANGE_DB / 10)), frame


def resample(pcm: bytes, from_hz: int, to_hz: int) -> bytes:
    """Return the same sound (s16le mono) at another rate."""
    if from_hz == to_hz or not pcm:
        return pcm
    frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2").reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = from_hz
    resampler = av.AudioResampler(format="s16", layout="mono", rate=to_hz)
    return b"".join(_bytes_of(piece) for source in (frame, None) for piece in resampler.resample(source))


def write_wav(path: Path, pcm: bytes, rate_hz: int) -> None:
    """Write s16le mono samples as a WAV file.

    Raises:
        BadRecording: The file cannot be written there.
    """
    try:
        with path.open("wb") as out, wave.open(out, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate_hz)
            file.writeframes(pcm)
    except OSError as error:
        raise BadRecording(f"cannot write {path}: {error.strerror or error}. Point --save elsewhere.") from error
