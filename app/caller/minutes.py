"""The minutes of a call: what was said by whom and when, and whether that was an answer."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from app.caller.heard import Hearing
from app.caller.link import Transport
from app.caller.messages import (
    Answer,
    FinalTranscript,
    PlayoutMessage,
    Problem,
    ServerMessage,
    SessionOpened,
    State,
    Withdrawn,
)
from app.caller.playout import Player
from app.caller.report import CallReport
from app.caller.wav import Speech

__all__ = ["Minutes"]

SETTLE_S = 0.3
"""How long to wait, after an answer was played, for the server to say that it listens again, in seconds."""
LATE_TURN_S = 1.5
"""If the last turn began before the speech was over, the rest may yet become a turn; wait this long for it to begin.
Three times the silence that ends a turn."""


@dataclass
class _Turn:
    thinking_at: float | None = None
    final_at: float | None = None
    text: str = ""
    answer_at: float | None = None
    sentences: list[str] = field(default_factory=list)
    withdrawn: bool = False


class Minutes:
    """Notes every message and judges the call by them and by what was heard."""

    def __init__(self, session_id: str, transport: Transport, player: Player, speech: Speech) -> None:
        self.started_at = math.inf
        """Clock time at which the microphone was opened; not yet, so far."""
        self.opened_at = 0.0
        """The same in Unix seconds."""
        self.last_problem = ""
        self._session_id = session_id
        self._transport = transport
        self._player = player
        self._speech = speech
        self._states: list[tuple[float, str]] = []
        self._turns: dict[int, _Turn] = {}
        self._last_sign = 0.0
        self._played_s = 0.0
        self._over_at: float | None = None

    def note(self, message: ServerMessage, now: float) -> str:
        """Note a message; return a line for people, or nothing."""
        match message:
            case SessionOpened(payload=opened):
                return self._note_state(opened.state, now)
            case State(payload=change):
                turn = self._turns.setdefault(change.turn, _Turn())
                if change.state == "THINKING" and turn.thinking_at is None:
                    turn.thinking_at = now
                return self._note_state(change.state, now)
            case FinalTranscript(text=text, turn=number):
                turn = self._turns.setdefault(number, _Turn())
                turn.final_at, turn.text = now, text
                return f"you said: {text}"
            case Answer(payload=sentence):
                if sentence.kind != "filler":
                    turn = self._turns.setdefault(sentence.turn, _Turn())
                    turn.answer_at = now if turn.answer_at is None else turn.answer_at
                    turn.sentences.append(sentence.text.strip())
                self._last_sign = now
                return f"answer: {sentence.text}" if sentence.text else ""
            case Withdrawn(payload=gone):
                self._turns.setdefault(gone.turn, _Turn()).withdrawn = True
                return "taken back: you went on speaking"
            case Problem(code=code, message=text):
                self.last_problem = f"{text} ({code})"
                return f"error: {self.last_problem}"
            case PlayoutMessage(payload=order):
                return f"playout {order.action}"
            case _:
                return ""

    def time(self, at: float) -> float:
        """Return a clock time as seconds since the microphone was opened; 0 for anything before."""
        return max(0.0, at - self.started_at)

    @property
    def is_open(self) -> bool:
        """Whether the server has said in which state the session is."""
        return bool(self._states)

    def _note_state(self, state: str, now: float) -> str:
        if self._states and self._states[-1][1] == state:
            return ""
        self._states.append((now, state))
        return state

    @property
    def _last(self) -> int:
        """The last turn that began and was not taken back; 0 if there is none."""
        return max((n for n, turn in self._turns.items() if turn.thinking_at and not turn.withdrawn), default=0)

    def _reply(self) -> Hearing | None:
        return next(
            (h for h in reversed(self._player.hearings) if h.turn == self._last and h.kind in ("answer", "apology")),
            None,
        )

    def is_answered(self) -> bool:
        """Return whether the reply to the last turn was heard to its end."""
        reply = self._reply()
        return reply is not None and reply.ended == "played" and reply.kind == "answer"

    def is_over(self, now: float, listen_s: float) -> bool:
        """Return whether nothing more is waited for: all was said, and `listen_s` of the answer, or all, heard."""
        reply = self._reply()
        if reply is None or now < self._said_at():
            return False
        if reply.played_s >= listen_s:
            return True
        if reply.ended != "played":
            return False
        self._over_at = now if self._over_at is None else self._over_at
        return self._states[-1][1] in ("LISTENING", "IDLE") or now - self._over_at > SETTLE_S

    def _said_at(self) -> float:
        """Return the clock time from which the last turn can be taken for the whole of the speech."""
        began = self._turns[self._last].thinking_at or 0.0
        early = began < self.started_at + self._speech.end_s
        return self.started_at + self._speech.duration_s + (LATE_TURN_S if early else 0.0)

    def waiting_since(self, now: float) -> float:
        """Return since when nothing of an answer has come: from the end of the recording at the earliest."""
        played_s = sum(hearing.played_s for hearing in self._player.hearings)
        if played_s > self._played_s:
            self._played_s, self._last_sign = played_s, now
        return max(self.started_at + self._speech.duration_s, self._last_sign)

    def apology(self) -> str:
        """Return what is wrong with a reply that was heard: nothing, unless it was an apology."""
        reply = self._reply()
        if reply is not None and reply.kind == "apology":
            return f"the server only apologised: {self._answer()}"
        return ""

    def missing(self, timeout_s: float) -> str:
        """Return why there was no answer within the time the caller gave."""
        if self._reply() is not None:
            return f"the answer broke off: nothing more came for {timeout_s:g} s"
        if self._last == 0:
            return f"nothing was understood: the server took no turn within {timeout_s:g} s of the end of the recording"
        return f"turn {self._last} was taken, but nothing of an answer was heard for {timeout_s:g} s"

    def _answer(self) -> str:
        turn = self._turns.get(self._last, _Turn())
        return " ".join(sentence for sentence in turn.sentences if sentence)

    def _latencies(self) -> dict[str, float]:
        turn = self._turns.get(self._last, _Turn())
        reply = self._reply()
        moments = {
            "end_of_turn": turn.thinking_at,
            "final_text": turn.final_at,
            "first_answer": turn.answer_at,
            "first_audio": reply.first_at if reply else None,
            "playback_started": reply.started_at if reply else None,
        }
        true_end = self.started_at + self._speech.end_s
        return {name: round(at - true_end, 4) for name, at in moments.items() if at is not None}

    def report(self, problem: str) -> CallReport:
        """Return the call as a report; `problem` says why it was not answered, and is empty if it was."""
        reply = self._reply()
        kept = sorted((n, turn.text) for n, turn in self._turns.items() if turn.text and not turn.withdrawn)
        return CallReport(
            session_id=self._session_id,
            transport=self._transport,
            answered=not problem,
            problem=problem,
            transcript=" ".join(text for _, text in kept),
            answer=self._answer(),
            kind=reply.kind if reply else None,
            states=[(round(self.time(at), 3), state) for at, state in self._states],
            latencies=self._latencies(),
            audio_s=round(reply.received_s, 4) if reply else 0.0,
            heard_s=round(reply.played_s, 4) if reply else 0.0,
            speech_end_s=round(self._speech.end_s, 3),
            opened_at=self.opened_at,
            gaps_s=[round(gap_s, 4) for gap_s in reply.gaps_s] if reply else [],
        )
