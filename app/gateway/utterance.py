"""One caller's utterance on its way to words: recognised as it grows or, when it is long, in pieces."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from adapters.recognisers.port import Overloaded, Recognised, Recogniser, RecogniserFailed
from app.gateway.attempts import Attempt, joined
from app.gateway.tape import Tape, bytes_of
from statecharts.events import Event, SttFailed, SttFinal, SttPartial

__all__ = ["LONGEST_PIECE_S", "PIECE_S", "Utterance"]

_log = structlog.get_logger()

PIECE_S = 8.0
"""An utterance that is so long at a pause goes on as a new piece: recognising takes a twentieth of the audio's length,
which the caller would wait for at the end."""
LONGEST_PIECE_S = 16.0
"""A voice without a pause is cut after so long, in its second half, where it is quietest for a moment."""
CUT_MARGIN_S = 0.5
"""What was heard last is not looked at for the cut: the pause may only begin there."""
PARTIAL_SHARE = 1 / 2
"""Most of the time that may go into partial words; when the recogniser is busy they come less often. Read aloud with
pauses they came every 0.66 s for 0.37 of a core, without a pause in 30 s every 1.1 s; with a third every 0.85 and 1.6 s
for 0.29."""
PARTIAL_PATIENCE_S = 1.0
"""How long partial words, and those of a piece, may take: the recogniser's queue serves final ones first."""


class Utterance:
    """What the caller has said since the last turn.

    Args:
        tape: The microphone's audio.
        recogniser: Shared by all calls.
        partial_every_s: How often the words so far are wanted while a voice lasts.
        publish: Takes each fact, in order, with the seconds since the true end of the voice (0: does not apply).
    """

    def __init__(
        self, tape: Tape, recogniser: Recogniser, partial_every_s: float, publish: Callable[[Event, float], None]
    ) -> None:
        self.start: int | None = None
        """Where on the tape the present piece begins; None while nothing is said."""
        self._tape = tape
        self._recogniser = recogniser
        self._partial_every_s = partial_every_s
        self._publish = publish
        self._pieces: list[Attempt] = []
        """The utterance up to there."""
        self._ahead: Attempt | None = None
        """What was said before a pause that may become a silence; nobody is told before it has."""
        self._attempt: Attempt | None = None
        self._telling: asyncio.Task[None] | None = None
        """Tells the words of that attempt."""
        self._overdue: asyncio.Task[None] | None = None
        """Tells those of an utterance that is over."""
        self._partial_at = 0

    # --- from its first sound to its end

    def begin_voice(self, start: int, partial_after_s: float) -> None:
        """A voice begins: the utterance's first, or it goes on after a pause.

        Args:
            start: Where on the tape, with what came before its onset.
            partial_after_s: How soon its words so far are wanted, at the latest after the usual time.
        """
        if self.start is None:
            self.start = start
        elif self._attempt is not None and self._attempt.final:
            self._attempt.final = False  # its words, if they are still to come, are not the last ones
            if self._attempt.end - self.start >= bytes_of(PIECE_S):
                self._pieces.append(self._attempt)
                self.start, self._attempt = self._attempt.end, None
        self._partial_at = self._tape.end + bytes_of(min(partial_after_s, self._partial_every_s))

    def go_on(self) -> int | None:
        """The voice lasts: cut it if it is too long, and show its words if they are due.

        Returns:
            The place where it was cut.
        """
        ahead, self._ahead = self._ahead, None
        if ahead is not None and self._telling is None:
            self._begin_to_tell(ahead, 0.0)  # the voice had not ended: these are partial words
        elif ahead is not None:
            ahead.drop()
        place = self._cut_if_long()
        if self._tape.end >= self._partial_at and self._telling is None:
            self._partial_at = self._tape.end + bytes_of(self._partial_every_s)
            self._recognise(0.0, final=False)
        return place

    def recognise_ahead(self, wanted_in_s: float) -> None:
        """Begin to recognise, since the voice may have ended."""
        if self._ahead is None and self.start is not None and self._tape.end - self.start < bytes_of(PIECE_S):
            self._ahead = self._attempt_from(self.start, wanted_in_s)

    def end_voice(self, silence_s: float) -> int:
        """The voice has ended: have its words told; return the place up to which it was heard."""
        self._recognise(silence_s, final=True)
        return self._tape.end if self._attempt is None else self._attempt.end

    def let_go(self, start: int | None, *, words_wanted: bool = False) -> None:
        """It is over; the next one has begun at `start`, if at all.

        Args:
            start: A place on the tape.
            words_wanted: Whether its words are still of use when they come, however late.
        """
        if words_wanted and self._telling is not None:
            if self._overdue is not None:
                self._overdue.cancel()
            self._overdue, self._telling, self._attempt, self._pieces = self._telling, None, None, []
        self._cancel()
        for piece in self._pieces:
            piece.drop()
        self._pieces = []
        self.start = start

    async def wait(self, within_s: float) -> None:
        """Return when the words of what was heard last are told, or after so long."""
        if running := [task for task in (self._telling, self._overdue) if task is not None]:
            await asyncio.wait(running, timeout=within_s)

    async def close(self) -> None:
        """Stop recognising."""
        running = [task for task in (self._telling, self._overdue) if task is not None]
        for task in running:
            task.cancel()
        self.let_go(None)
        await asyncio.gather(*running, return_exceptions=True)

    # --- recognition

    def _cut_if_long(self) -> int | None:
        start = self.start
        if start is None or self._tape.end - start < bytes_of(LONGEST_PIECE_S):
            return None
        place = self._tape.quietest(start + bytes_of(LONGEST_PIECE_S / 2), self._tape.end - bytes_of(CUT_MARGIN_S))
        pcm = self._tape.between(start, place)
        self._pieces.append(Attempt(self._recogniser, pcm, place, PARTIAL_PATIENCE_S))
        self.start = place
        return place

    def _recognise(self, silence_s: float, *, final: bool) -> None:
        if self.start is None:
            return
        ahead, self._ahead = self._ahead, None
        self._cancel()
        attempt = ahead or self._attempt_from(self.start, 0.0 if final else PARTIAL_PATIENCE_S)
        attempt.final = final
        self._begin_to_tell(attempt, silence_s)

    def _attempt_from(self, start: int, patience_s: float) -> Attempt:
        end = self._tape.end
        return Attempt(self._recogniser, self._tape.between(start, end), end, patience_s)

    def _begin_to_tell(self, attempt: Attempt, silence_s: float) -> None:
        ended_at = asyncio.get_running_loop().time() - silence_s
        self._attempt = attempt
        self._telling = asyncio.create_task(self._tell(attempt, tuple(self._pieces), ended_at))

    async def _tell(self, attempt: Attempt, before: Sequence[Attempt], ended_at: float) -> None:
        try:
            said = [await piece.last_words() for piece in before]
            heard = await self._words(attempt, said)
        except (Overloaded, RecogniserFailed) as error:
            _log.warning("not_recognised", error=str(error), final=attempt.final)
            if attempt.final:
                self._publish(SttFailed(error=str(error)), 0.0)
            return
        finally:
            if self._telling is asyncio.current_task():
                self._telling = None
        if not attempt.final:
            pause_s = heard.took_s * (1 / PARTIAL_SHARE - 1)
            self._partial_at = max(self._partial_at, self._tape.end + bytes_of(pause_s))
        since_end_s = asyncio.get_running_loop().time() - ended_at
        self._publish_words(joined([*said, heard]), since_end_s, final=attempt.final)

    async def _words(self, attempt: Attempt, said: Sequence[Recognised]) -> Recognised:
        try:
            heard = await attempt.words()
        except (Overloaded, RecogniserFailed):
            if not attempt.final:
                raise
            return await attempt.last_words()
        while attempt.final and heard.draft:
            self._publish_words(joined([*said, heard]), 0.0, final=False)
            heard = await attempt.words()
        return heard

    def _publish_words(self, heard: Recognised, since_end_s: float, *, final: bool) -> None:
        text, duration_ms = heard.text, heard.audio_s * 1000
        if final:
            self._publish(SttFinal(text=text, confidence=heard.confidence, duration_ms=duration_ms), since_end_s)
        elif text:
            self._publish(SttPartial(text=text, confidence=heard.confidence, duration_ms=duration_ms), 0.0)

    def _cancel(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        for attempt in (self._attempt, self._ahead):
            if attempt is not None:
                attempt.drop()
        self._attempt = self._ahead = None
