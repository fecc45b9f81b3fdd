"""espeak-ng: robotic, tiny, always there. Its library is one per process, so one thread serves all."""

from __future__ import annotations

import ctypes
from collections.abc import AsyncIterator, Iterator
from itertools import count, pairwise

import espeakng_loader

from adapters.model_executor import ExecutorFull, ModelExecutor
from adapters.voices.port import SpeechPiece, SpokenWord, VoiceFailed
from adapters.voices.word_timing import word_end

__all__ = ["EspeakVoice"]

_SYNCHRONOUS = 2
"""AUDIO_OUTPUT_SYNCHRONOUS: samples come by callback before the call returns. (Mode 1, RETRIEVAL, calls back from a
thread of the library's after the call has returned, into what may be freed by then.)"""
_UTF8 = 1  # espeakCHARS_UTF8
_WPM = 160
_RATE, _BUFFER_MS = 1, 50
_LIST_TERMINATED, _WORD = 0, 1
CAPACITY = 64


class _Happening(ctypes.Structure):
    """espeak_EVENT; positions count characters of the text from 1, and milliseconds of the speech from 0."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Happening))


class EspeakVoice:
    """The voice that needs no model.

    Args:
        language: A voice of espeak-ng, such as `en-us`.
    """

    def __init__(self, language: str = "en-us") -> None:
        self._executor = ModelExecutor("espeak", threads=1, capacity=CAPACITY)
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        self._rate_hz: int = self._library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, data, 0)
        if self._rate_hz <= 0:
            raise VoiceFailed("espeak-ng did not start; reinstall espeakng-loader")
        self._pieces: list[bytes] = []
        self._words: list[tuple[int, float]] = []
        # Kept as long as the library may call it.
        self._callback = _Callback(self._take)
        self._library.espeak_SetVoiceByName(language.encode())
        self._library.espeak_SetParameter(_RATE, _WPM, 0)

    @property
    def name(self) -> str:
        return "espeak"

    async def synthesise(self, text: str, *, deadline: float = 0.0) -> AsyncIterator[SpeechPiece]:
        try:
            async for piece in self._executor.stream(lambda: self._speak(text), deadline=deadline):
                yield piece
        except ExecutorFull as error:
            raise VoiceFailed(f"espeak has too much to say: {error}") from error
        except RuntimeError as error:
            raise VoiceFailed(f"espeak is closed: {error}") from error

    def close(self) -> None:
        self._executor.close()

    def _speak(self, text: str) -> Iterator[SpeechPiece]:
        if not any(character.isalnum() for character in text):
            return
        self._pieces.clear()
        self._words.clear()
        self._library.espeak_SetSynthCallback(self._callback)
        encoded = text.replace("\0", " ").encode() + b"\0"
        failed = self._library.espeak_Synth(encoded, len(encoded), 0, 0, 0, _UTF8, None, None)
        if failed:
            raise VoiceFailed(f"espeak-ng gave up with error {failed}")
        # A sentence takes it milliseconds: there is nothing to gain from handing pieces out while it speaks.
        pieces, words = list(self._pieces), self._word_ends(text)
        for pcm in pieces:
            yield SpeechPiece(pcm=pcm, rate_hz=self._rate_hz, words=words)
            words = ()

    def _word_ends(self, text: str) -> tuple[SpokenWord, ...]:
        """Return where words end: where the next one begins, or the speech is over."""
        over = (len(text), sum(map(len, self._pieces)) / 2 / self._rate_hz)
        # One word of ours may be several of its own: "1883".
        begins = {word_end(text, place): seconds for place, seconds in reversed(self._words)}
        return tuple(
            SpokenWord(end, round(seconds, 3)) for (end, _), (_, seconds) in pairwise([*reversed(begins.items()), over])
        )

    def _take(
        self,
        samples: ctypes._Pointer[ctypes.c_short],
        samples_count: int,
        happenings: ctypes._Pointer[_Happening],
    ) -> int:
        if samples_count > 0:
            self._pieces.append(ctypes.string_at(samples, samples_count * 2))
        for number in count():
            happening = happenings[number]
            if happening.type == _LIST_TERMINATED:
                break
            if happening.type == _WORD:
                self._words.append((happening.text_position - 1, happening.audio_position / 1000))
        return 0
