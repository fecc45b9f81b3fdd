"""A voice that says years, units and the like as people do; what it tells of words is about the text as written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import msgspec

from adapters.voices.port import SpeechPiece, SpokenWord, Voice
from adapters.voices.spelling import SpelledWord, spell_out

__all__ = ["SpelledVoice"]


class SpelledVoice:
    """Spells out what `voice` is given to say."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice

    @property
    def name(self) -> str:
        return self._voice.name

    async def synthesise(self, text: str, *, deadline: float = 0.0) -> AsyncIterator[SpeechPiece]:
        words = spell_out(text)
        ends = _ends(words)
        async for piece in self._voice.synthesise(" ".join(word.said for word in words), deadline=deadline):
            told = tuple(SpokenWord(ends[word.chars], word.seconds) for word in piece.words if word.chars in ends)
            yield msgspec.structs.replace(piece, words=told)

    def close(self) -> None:
        self._voice.close()


def _ends(words: Sequence[SpelledWord]) -> dict[int, int]:
    """Return where words end in the text as written, by where they end in the text as said."""
    ends, said = {}, 0
    for word in words:
        said += len(word.said)
        ends[said] = word.end
        said += 1
    return ends
