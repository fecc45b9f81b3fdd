"""What always holds of the door lock, each in a sentence; `./run verify` tries to break them.

./run verify --chart examples.door_lock:DoorLock --properties examples.door_lock_properties
"""

from __future__ import annotations

from collections.abc import Iterator

from examples.door_lock import TRIES, DoorLock
from voicechart.proving import ChartAt, Move, Step, always

__all__ = ["a_blocked_keypad_takes_no_code", "moves", "only_whoever_may_opens", "the_third_wrong_code_blocks"]

_At = Step[ChartAt]


def moves(lock: DoorLock) -> Iterator[Move]:
    """Yield what may happen next: every event, with examples of what it brings."""
    for event in sorted({str(event.id) for event in lock.events}):
        for brought in DoorLock.EXAMPLES.get(event, ({},)):
            yield Move(event, dict(brought), of_time=event in DoorLock.TIMERS)


@always(concerns=("LOCKED*", "UNLOCKED*", "right_code"))
def only_whoever_may_opens(step: _At) -> bool:
    """What was locked is unlocked by the right code, by a key, or from inside."""
    opened = step.before.state.startswith("LOCKED") and step.after.state.startswith("UNLOCKED")
    right = step.move.fact == {"code": step.before.chart.code}
    return not opened or step.move.event in ("master_key", "inside_handle") or right


@always(concerns=("LOCKED.blocked", "tries_left"))
def the_third_wrong_code_blocks(step: _At) -> bool:
    """Three wrong codes in a row block the keypad, and not one earlier."""
    return (step.after.chart.wrong >= TRIES) == (
        step.after.state == "LOCKED.blocked"
    ) or step.after.state == "ALARM.forced"


@always(concerns=("LOCKED.blocked", "code_entered"))
def a_blocked_keypad_takes_no_code(step: _At) -> bool:
    """While the keypad is blocked, no code leads to anything."""
    return not (step.before.state == "LOCKED.blocked" and step.move.event == "code_entered" and step.taken)
