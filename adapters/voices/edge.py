"""Microsoft Edge's voices, by edge-tts: better ones, but every sentence goes to a public service."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import av
import edge_tts
import edge_tts.exceptions

from adapters.voices.port import SpeechPiece, SpokenWord, VoiceFailed
from adapters.voices.word_timing import word_end

__all__ = ["EdgeVoice"]

RATE_HZ = 24_000
CONNECT_S = 2
"""A network that swallows packets would otherwise keep the caller waiting for ten seconds."""
RECEIVE_S = 10
TICKS_PER_S = 10_000_000
MOST_LEFT_OUT = 3
"""Words that the service may pass over without a word about them."""

_FAILURES = (aiohttp.ClientError, edge_tts.exceptions.EdgeTTSException, TimeoutError, OSError, ValueError)


class EdgeVoice:
    """A voice of the public service; a connection a sentence.

    Args:
        voice: One of its voices, as `edge-tts --list-voices` names them.
    """

    def __init__(self, voice: str = "en-US-EmmaMultilingualNeural") -> None:
        self._voice = voice

    @property
    def name(self) -> str:
        return "edge"

    async def synthesise(self, text: str, *, deadline: float = 0.0) -> AsyncIterator[SpeechPiece]:
        if not any(character.isalnum() for character in text):
            return
        decoder = _Mp3Decoder()
        words = _Words(text)
        try:
            request = edge_tts.Communicate(
                text.replace("\0", " "), self._voice, boundary="WordBoundary", connect_timeout=CONNECT_S,
                receive_timeout=RECEIVE_S,
            )  # fmt: skip
            async for message in request.stream():
                if message["type"] == "audio":
                    if pcm := decoder.decode(message["data"]):
                        yield SpeechPiece(pcm=pcm, rate_hz=RATE_HZ, words=words.taken())
                else:
                    words.note(message["text"], (message["offset"] + message["duration"]) / TICKS_PER_S)
        except _FAILURES as error:
            raise VoiceFailed(f"the Edge service did not speak: {type(error).__name__}: {error}") from error

    def close(self) -> None:
        """It holds nothing between sentences."""


class _Words:
    """The words of a text as the service tells them: in order, but split and left out as it sees fit."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0
        self._ends: dict[int, float] = {}

    def note(self, word: str, ends_s: float) -> None:
        """Find the next word; one that would be far ahead is another of the same letters."""
        found = self._text.find(word, self._place) if word else -1
        if found >= 0 and len(self._text[self._place : found].split()) <= MOST_LEFT_OUT:
            self._place = found + len(word)
            self._ends[word_end(self._text, self._place - 1)] = ends_s

    def taken(self) -> tuple[SpokenWord, ...]:
        """Return the words noted since the last time."""
        words = tuple(SpokenWord(chars, ends_s) for chars, ends_s in self._ends.items())
        self._ends.clear()
        return words


class _Mp3Decoder:
    """MP3 as it arrives to PCM."""

    def __init__(self) -> None:
        self._codec = av.CodecContext.create("mp3", "r")
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)

    def decode(self, data: bytes) -> bytes:
        pcm = b""
        for packet in self._codec.parse(data):
            try:
                frames = self._codec.decode(packet)
            except av.error.InvalidDataError:
                continue  # a header of the file, not audio
            for frame in frames:
                for resampled in self._resampler.resample(frame):
                    pcm += bytes(resampled.planes[0])[: resampled.samples * 2]
        return pcm
