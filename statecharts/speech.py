"""What we say in one turn: its sentences, their audio, and how much of it was heard."""

from __future__ import annotations

import math
from copy import copy

import msgspec
from msgspec import Struct

from statecharts.events import Kind

__all__ = ["Cut", "Line", "Speech"]

_COMPLETE_S = 0.05
"""Playback reports fall short of the audio by up to two 20 ms frames: that close to the end it was all heard."""
_CHARS_PER_S = 15
"""Pace of a sentence whose length is not known yet: 150 to 170 words a minute, six characters each."""


class Line(Struct, omit_defaults=True):
    """One sentence and the seconds of audio sent for it so far."""

    request_id: str
    text: str
    audio_s: float = 0.0
    whole_s: float = 0.0
    """All of its audio, once that is known."""
    words: tuple[tuple[int, float], ...] = ()
    """Where its words end, as far as the voice told: characters of `text`, seconds of its audio."""
    missing: bool = False
    """Its sound is missing, or the rest of it: no voice could say it."""

    def chars_at(self, played_s: float, whole_s: float) -> int:
        """Return how many characters are said after so many of all its seconds of audio."""
        if self.words:
            return max((chars for chars, ends_s in self.words if ends_s <= played_s + _COMPLETE_S), default=0)
        return int(max(0.0, min(1.0, played_s / whole_s)) * len(self.text))


class Speech(Struct, omit_defaults=True):
    """One answer (or greeting, or apology) on its way to the caller's ear. Times are Unix seconds."""

    turn: int
    kind: Kind = "answer"
    lines: list[Line] = []
    composed: bool = False
    """Its last sentence is known."""
    synthesised: bool = False
    """Its last sample was sent."""
    started_at: float = 0.0
    """When its first chunk was sent; 0: not yet."""
    ends_at: float = 0.0
    """When a player without delay will have played what was sent."""
    paused_at: float = 0.0
    paused_s: float = 0.0
    next_seq: int = 0
    """How many chunks were sent."""
    reported: bool = False
    """Whether the client reports playback in this turn."""
    played_s: float = 0.0
    """The client's last report."""

    def copy(self) -> Speech:
        """Return the same speech, sharing nothing."""
        return msgspec.structs.replace(self, lines=[copy(line) for line in self.lines])

    @property
    def text(self) -> str:
        """The answer as composed so far."""
        return " ".join(line.text for line in self.lines if line.text)

    @property
    def in_text(self) -> bool:
        """Whether no voice is left for it: its sentences are only shown."""
        return bool(self.lines) and self.lines[-1].missing and not self.lines[-1].audio_s

    @property
    def sent_s(self) -> float:
        """Seconds of audio sent so far."""
        return sum(line.audio_s for line in self.lines)

    def add_audio(
        self,
        request_id: str,
        audio_s: float,
        now: float,
        whole_s: float = 0.0,
        words: tuple[tuple[int, float], ...] = (),
    ) -> None:
        """Note a chunk that was sent, of the sentence with this request id (unknown: of the last one)."""
        line = next((line for line in self.lines if line.request_id == request_id), None)
        if line is None:
            if not self.lines:
                self.lines.append(Line(request_id, ""))
            line = self.lines[-1]
        line.audio_s += audio_s
        line.whole_s = whole_s or line.whole_s
        line.words += words
        self.next_seq += 1
        self.started_at = self.started_at or now
        self.ends_at = max(self.ends_at, now) + audio_s

    def report(self, played_s: float, now: float) -> None:
        """Note what the client says it has played; its clock, not ours, then tells when the rest will be over."""
        self.reported = True
        self.played_s = max(self.played_s, min(played_s, self.sent_s))
        self.ends_at = now + self.sent_s - self.played_s

    def pause(self, now: float) -> None:
        """Note that playing stands still."""
        self.paused_at = self.paused_at or now

    def resume(self, now: float) -> None:
        """Note that playing goes on where it stood."""
        if self.paused_at:
            self.paused_s += now - self.paused_at
            self.ends_at += now - self.paused_at
            self.paused_at = 0.0

    def estimate_s(self, now: float) -> float:
        """Return the seconds played: as last confirmed, or by the clock if this client never reports."""
        if self.reported:
            return self.played_s
        if not self.started_at:
            return 0.0
        until = self.paused_at or now
        return min(self.sent_s, max(0.0, until - self.started_at - self.paused_s))

    def heard(self, played_s: float) -> str:
        """Return the words whose audio was played, a literal prefix of `text`, cut back to a whole word."""
        incomplete = any(line.missing for line in self.lines)
        if self.synthesised and played_s >= self.sent_s - _COMPLETE_S and not incomplete:
            return self.text
        heard_chars, before = 0, 0
        for number, line in enumerate(self.lines):
            if not line.text:
                continue
            if not line.audio_s or played_s <= 0:
                break
            whole_s = self._whole_s(number)
            if line.missing or played_s < whole_s - _COMPLETE_S:
                heard_chars = before + line.chars_at(min(played_s, line.audio_s), whole_s)
                break
            heard_chars = before + len(line.text)
            before = heard_chars + 1
            played_s -= line.audio_s
        return _whole_words(self.text, heard_chars)

    def _whole_s(self, number: int) -> float:
        """Return how long all of a sentence takes to say: more than was sent of it, if the answer was cut there."""
        line = self.lines[number]
        if line.whole_s:
            return line.whole_s
        if line.missing:
            return max(line.audio_s, len(line.text) / _CHARS_PER_S)
        all_sent = self.synthesised or any(later.audio_s for later in self.lines[number + 1 :])
        if all_sent:
            return line.audio_s
        return math.inf if line.words else max(line.audio_s, len(line.text) / _CHARS_PER_S)


class Cut(Struct, omit_defaults=True):
    """An answer that is over before the client said that it played all of it."""

    speech: Speech
    user_text: str
    interrupted: bool = False
    """We stopped it; else the time it should have taken is over, and the client may still be playing."""
    withdrawn: bool = False


def _whole_words(text: str, chars: int) -> str:
    if chars >= len(text) or text[chars].isspace():
        return text[:chars].rstrip()
    return text[: text.rfind(" ", 0, chars) + 1].rstrip()
