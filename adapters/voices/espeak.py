"""espeak-ng: robotic, tiny, always there. Its library is one per process, so one thread serves all."""

from __future__ import annotations

import ctypes
from collections.abc import AsyncIterator, Iterator

import espeakng_loader

from adapters.model_executor import ExecutorFull, ModelExecutor
from adapters.voices.port import SpeechPiece, VoiceFailed

__all__ = ["EspeakVoice"]

_SYNCHRONOUS = 2
"""AUDIO_OUTPUT_SYNCHRONOUS: samples come by callback before the call returns. (Mode 1, RETRIEVAL, calls back from a
thread of the library's after the call has returned, into what may be freed by then.)"""
_UTF8 = 1  # espeakCHARS_UTF8
_WPM = 160
_RATE, _BUFFER_MS = 1, 50
CAPACITY = 64
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


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
        self._library.espeak_SetSynthCallback(self._callback)
        encoded = text.replace("\0", " ").encode() + b"\0"
        failed = self._library.espeak_Synth(encoded, len(encoded), 0, 0, 0, _UTF8, None, None)
        if failed:
            raise VoiceFailed(f"espeak-ng gave up with error {failed}")
        # A sentence takes it milliseconds: there is nothing to gain from handing pieces out while it speaks.
        for pcm in list(self._pieces):
            yield SpeechPiece(pcm=pcm, rate_hz=self._rate_hz)

    def _take(self, samples: object, count: int, _events: object) -> int:
        if count > 0:
            self._pieces.append(ctypes.string_at(samples, count * 2))  # type: ignore[arg-type]  # a pointer of ctypes
        return 0
