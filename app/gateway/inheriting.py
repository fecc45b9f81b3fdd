"""What is left to say of a speech that another gateway began: it is made anew, and not all of it is sent again."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from adapters.voices.port import SpeechPiece
from statecharts.effects import Speak
from statecharts.speech import Speech

__all__ = ["Inherited", "left_of"]

_WHOLE_S = 0.05
"""A sentence of which less than this is left was heard."""


class Inherited(Struct, frozen=True):
    """A sentence, and what the other gateway did of it. All seconds are of the sentence's audio."""

    request: Speak
    played_s: float = 0.0
    """So much was heard."""
    sent_s: float = 0.0
    """So much was sent and reported."""
    end_reported: bool = False
    """It was the last one, and all of it was sent."""

    def pieces(self, piece: SpeechPiece, at_s: float) -> Iterator[tuple[SpeechPiece, bool]]:
        """Yield what is to be sent of a piece that begins at `at_s`, and whether it was reported before."""
        ends = [_sample(edge_s - at_s, piece.rate_hz) for edge_s in (self.played_s, self.sent_s)]
        heard, reported = (min(len(piece.pcm), max(0, end)) for end in ends)
        if heard < reported:
            yield SpeechPiece(pcm=piece.pcm[heard:reported], rate_hz=piece.rate_hz), True
        new = max(heard, reported)
        if new < len(piece.pcm):
            yield SpeechPiece(pcm=piece.pcm[new:], rate_hz=piece.rate_hz, words=piece.words), False


def left_of(speech: Speech, played_s: float) -> list[Inherited]:
    """Return the sentences of a speech of which something is to be said, after its first `played_s` seconds."""
    left: list[Inherited] = []
    for number, line in enumerate(speech.lines):
        heard_s, played_s = min(played_s, line.audio_s), max(0.0, played_s - line.audio_s)
        last = number == len(speech.lines) - 1
        is_final = last and speech.composed
        # Something follows it, or nothing will: then all of it was sent.
        all_sent = speech.synthesised or any(later.audio_s for later in speech.lines[number + 1 :])
        over = line.missing or (all_sent and heard_s >= line.audio_s - _WHOLE_S)
        if over and not is_final:
            continue
        request = Speak(
            speech.turn, "" if over else line.text, is_final, speech.kind, line.request_id, again=True
        )  # fmt: skip
        left.append(Inherited(request, heard_s, line.audio_s, end_reported=speech.synthesised))
    return left


def _sample(seconds: float, rate_hz: int) -> int:
    return round(seconds * rate_hz) * 2
