"""What is known beforehand of a run: when the caller's voice sounds, is noticed and is understood.

The microphone's audio is the script itself: a sample during the first voice is 1, during the second 2, its last sample
is negative, and 0 is silence. So detector and recogniser know what they are given, and nothing else.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import zip_longest

from msgspec import Struct

from adapters.detectors.port import SAMPLE_RATE_HZ
from app.scenario.format import Scenario, Voice

__all__ = ["DetectorEdge", "Script", "samples_of"]


class DetectorEdge(Struct, frozen=True):
    """The detector notices that a voice began or ended."""

    at: float
    voice: bool
    since_s: float
    """Since the true edge."""


class Script:
    """A scenario's voices, in order."""

    def __init__(self, scenario: Scenario) -> None:
        self.voices = sorted((act for act in scenario.caller if isinstance(act, Voice)), key=lambda voice: voice.voice)
        self.edges = list(_edges(self.voices))
        self.instants = sorted(
            {edge.at for edge in self.edges} | {moment for voice in self.voices for moment in voice.voice}
        )
        """When the microphone's audio has to be up to date."""

    @property
    def ends_at(self) -> float:
        """When the last that is known of the voices has happened."""
        return max((max(voice.final_at, voice.voice[1] + voice.detector[1]) for voice in self.voices), default=0.0)

    def audio(self, start: float, end: float) -> bytes:
        """Return the microphone's audio between two times (s16le, 16 kHz mono)."""
        first, last = samples_of(start), samples_of(end)
        pcm = bytearray((last - first) * 2)
        for number, voice in enumerate(self.voices, 1):
            begin, over = samples_of(voice.voice[0]), samples_of(voice.voice[1])
            here, there = max(first, begin), min(last, over)
            if here < there:
                pcm[(here - first) * 2 : (there - first) * 2] = struct.pack("<h", number) * (there - here)
                if there == over:
                    pcm[(there - first - 1) * 2 : (there - first) * 2] = struct.pack("<h", -number)
        return bytes(pcm)

    def ended_in(self, pcm: bytes) -> list[Voice]:
        """Return the voices whose end lies in a piece of the microphone's audio."""
        return [voice for number, voice in enumerate(self.voices, 1) if _holds(pcm, struct.pack("<h", -number))]


def samples_of(seconds: float) -> int:
    """Return the number of the microphone's samples in a time."""
    return round(seconds * SAMPLE_RATE_HZ)


def _edges(voices: list[Voice]) -> Iterator[DetectorEdge]:
    """Yield what the detector notices; a pause shorter than its delays, and a voice, escape it."""
    noticed = False
    for voice, following in zip_longest(voices, voices[1:]):
        (start, end), (start_s, end_s) = voice.voice, voice.detector
        if not noticed and start + start_s < end + end_s:
            noticed = True
            yield DetectorEdge(start + start_s, True, start_s)
        if noticed and (following is None or following.voice[0] >= end + end_s):
            noticed = False
            yield DetectorEdge(end + end_s, False, end_s)


def _holds(pcm: bytes, sample: bytes) -> bool:
    at = pcm.find(sample)
    while at > 0 and at % 2:
        at = pcm.find(sample, at + 1)
    return at >= 0
