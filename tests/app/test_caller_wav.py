"""Recordings in: whatever WAV it is, or a reason."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import pytest

from app.caller.wav import BadRecording, read_wav, speech_end_s, speech_start_s
from tests.app.caller_material import TONE_HZ, pcm16, tone


def wav_bytes(encoding: str, rate_hz: int, channels: int) -> bytes:
    """A RIFF file of a 0.5 s tone, written by hand so that the reader is not tested with itself."""
    sound = np.repeat(tone(0.5, rate_hz), channels)
    ints = np.round(sound * 2147483647).astype("<i4")
    match encoding:
        case "u8":
            tag, width, data = 1, 1, (np.round(sound * 127) + 128).astype("u1").tobytes()
        case "s16":
            tag, width, data = 1, 2, (ints >> 16).astype("<i2").tobytes()
        case "s24":
            tag, width, data = 1, 3, ints.view("u1").reshape(-1, 4)[:, 1:].tobytes()
        case "s32":
            tag, width, data = 1, 4, ints.tobytes()
        case _:
            tag, width, data = 3, 4, sound.astype("<f4").tobytes()
    frame = width * channels
    head = struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * frame, frame, width * 8)
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("encoding", ["u8", "s16", "s24", "s32", "f32"])
@pytest.mark.parametrize(("rate_hz", "channels"), [(8_000, 1), (16_000, 1), (22_050, 2), (44_100, 2), (48_000, 1)])
def test_any_wav_becomes_the_same_sound_at_16_khz_mono(
    tmp_path: Path, encoding: str, rate_hz: int, channels: int
) -> None:
    path = tmp_path / "a tone.wav"
    path.write_bytes(wav_bytes(encoding, rate_hz, channels))
    speech = read_wav(path)
    samples = np.frombuffer(speech.pcm, "<i2") / 32768
    assert speech.duration_s == pytest.approx(0.5, abs=0.002)
    loudest = np.argmax(np.abs(np.fft.rfft(samples))) / speech.duration_s
    assert loudest == pytest.approx(TONE_HZ, abs=3)
    assert np.sqrt(np.square(samples[800:-800]).mean()) == pytest.approx(0.5 / math.sqrt(2), rel=0.03)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot read"),
        (b"", "it is empty"),
        (b"ID3 this is an mp3", "no WAV file"),
        (b"RIFF", "no WAV file"),
        (b"RIFF\x24\0\0\0WAVEjunk", "damaged"),
        (b"RIFF\xff\xff\xff\xffWAVE" + bytes(range(256)) * 20, "damaged"),
        (wav_bytes("s16", 16_000, 1)[:44], "no audio"),
    ],
)
def test_a_file_that_cannot_be_spoken_is_refused_with_a_reason(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "bad.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadRecording, match=reason):
        read_wav(path)


def test_silence_may_be_spoken_and_ends_where_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    path.write_bytes(wav_bytes("s16", 16_000, 1)[:44] + bytes(3200))
    assert read_wav(path).end_s == pytest.approx(0.1)


def test_a_folder_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(BadRecording, match="cannot read"):
        read_wav(tmp_path)


def test_a_recording_cut_off_in_the_middle_is_spoken_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    path.write_bytes(wav_bytes("s16", 16_000, 1)[: 44 + 8_000])
    assert read_wav(path).duration_s == pytest.approx(0.25, abs=0.002)


def test_speech_ends_with_the_last_frame_within_30_db_of_the_loudest() -> None:
    voice, tail, noise = pcm16(0.5, 16_000, 0.5), pcm16(0.2, 16_000, 0.02), pcm16(1.0, 16_000, 0.005)
    assert speech_end_s(voice + tail + noise, 16_000) == pytest.approx(0.7, abs=0.011)  # -28 dB counts, -40 dB does not
    assert speech_end_s(bytes(3200), 16_000) == 0.0
    assert speech_end_s(b"", 16_000) == 0.0


def test_speech_begins_at_its_first_loud_moment() -> None:
    murmur, voice = pcm16(0.2, 16_000, 0.005), pcm16(0.3, 16_000, 0.5)
    assert speech_start_s(murmur + voice, 16_000) == pytest.approx(0.2, abs=0.011)
    assert speech_start_s(bytes(3200), 16_000) == 0.0
