"""How a call went, in a few figures: its states, its turns, and how long the caller waited."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from app.folding import Folded
from statecharts.effects import StateChanged, TurnBegan, TurnEnded
from statecharts.events import SpeechStopped, SttFinal, to_event

__all__ = ["Course", "TurnCourse", "course_of"]


class TurnCourse(Struct, kw_only=True):
    """One turn. Times are seconds since the call began."""

    turn: int
    user_text: str
    began_s: float
    waited_s: float
    """From the true end of the caller's speech (the arrival of typed text) to the end of the turn."""
    first_audio_s: float | None = None
    """From the same moment to our first audio."""
    outcome: str = "open"
    """`answered`, `interrupted`, `cut off` (we took the turn too early: the caller went on), `silent`, `open`."""
    heard_text: str = ""


class Course(Struct, kw_only=True):
    """One run of a call."""

    states: list[tuple[float, str]]
    """Seconds since the call began, and the state entered."""
    turns: list[TurnCourse]
    cut_offs: int
    """Turns we took before the caller had finished."""
    interrupted: int
    """Answers that the caller stopped."""
    resumed: int
    """Answers that were ducked or paused for a sound that meant nothing."""
    dropped: int
    """Facts that changed nothing."""
    ended_s: float


def course_of(run: Iterable[Folded], started_at: float) -> Course:
    """Return how a run went."""
    course = Course(states=[], turns=[], cut_offs=0, interrupted=0, resumed=0, dropped=0, ended_s=0.0)
    turns: dict[int, TurnCourse] = {}
    asked_at: dict[int, float] = {}
    voice_end = started_at
    for folded in run:
        at_s = course.ended_s = round(folded.record.at - started_at, 3)
        if folded.status == "dropped":
            course.dropped += 1
        else:
            voice_end = _voice_end(folded, voice_end)
        for effect in folded.effects:
            match effect:
                case StateChanged() if effect.old_state != effect.new_state:
                    course.states.append((at_s, effect.new_state))
                    course.resumed += (effect.old_state, effect.new_state) == ("INTERRUPT", "SPEAKING")
                    turn = turns.get(effect.turn)
                    if effect.new_state == "SPEAKING" and turn is not None and turn.first_audio_s is None:
                        turn.first_audio_s = round(folded.record.at - asked_at[effect.turn], 3)
                case TurnBegan():
                    asked_at[effect.turn] = voice_end
                    turns[effect.turn] = TurnCourse(
                        turn=effect.turn, user_text=effect.text, began_s=at_s,
                        waited_s=round(folded.record.at - voice_end, 3),
                    )  # fmt: skip
                case TurnEnded() if effect.turn in turns:
                    _end(turns[effect.turn], effect)
    course.turns = [turns[number] for number in sorted(turns)]
    course.cut_offs = sum(turn.outcome == "cut off" for turn in course.turns)
    course.interrupted = sum(turn.outcome == "interrupted" for turn in course.turns)
    return course


def _voice_end(folded: Folded, known: float) -> float:
    event = to_event(folded.envelope)
    if isinstance(event, SpeechStopped):
        return folded.record.at - event.silence_s
    return folded.record.at if isinstance(event, SttFinal) and event.origin == "typed" else known


def _end(turn: TurnCourse, ended: TurnEnded) -> None:
    turn.heard_text = ended.heard_text
    if ended.withdrawn:
        turn.outcome = "cut off"
    elif ended.interrupted:
        turn.outcome = "interrupted"
    else:
        turn.outcome = "answered" if ended.heard_text else "silent"
