"""Two voices: when the first cannot speak a sentence, the second does."""

from __future__ import annotations

from collections.abc import AsyncIterator

import structlog

from adapters.voices.port import SpeechPiece, Voice, VoiceFailed

__all__ = ["FallbackVoice"]

_log = structlog.get_logger()


class FallbackVoice:
    """Speaks with `primary`, and with `secondary` what it cannot say.

    A voice that fails in the middle of a sentence is not replaced: the caller would hear its beginning twice.
    """

    def __init__(self, primary: Voice, secondary: Voice) -> None:
        self._primary = primary
        self._secondary = secondary
        self._failing = False

    @property
    def name(self) -> str:
        return f"{self._primary.name}, else {self._secondary.name}"

    async def synthesise(self, text: str, *, deadline: float = 0.0) -> AsyncIterator[SpeechPiece]:
        begun = False
        try:
            async for piece in self._primary.synthesise(text, deadline=deadline):
                begun = True
                yield piece
        except VoiceFailed as error:
            if begun:
                raise
            self._note(failing=True, error=str(error))
        else:
            self._note(failing=False)
            return
        async for piece in self._secondary.synthesise(text, deadline=deadline):
            yield piece

    def close(self) -> None:
        self._primary.close()
        self._secondary.close()

    def _note(self, *, failing: bool, error: str = "") -> None:
        if failing and not self._failing:
            _log.warning("voice_failed", voice=self._primary.name, instead=self._secondary.name, error=error)
        elif self._failing and not failing:
            _log.info("voice_back", voice=self._primary.name)
        self._failing = failing
