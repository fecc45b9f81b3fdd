"""What always holds of the door lock, each in a sentence; `./run verify` tries to break them.

./run verify --chart examples.door_lock:DoorLock --properties examples.door_lock_properties
"""

from __future__ import annotations

from examples.door_lock import TRIES, Siren
from voicechart.proving import ChartAt, Step, always

__all__ = [
    "a_blocked_keypad_takes_no_code",
    "only_whoever_may_opens",
    "the_siren_is_on_while_there_is_an_alarm",
    "the_third_wrong_code_blocks",
]

_At = Step[ChartAt]


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


@always(concerns=("ALARM*", "on_enter_ALARM", "on_exit_ALARM"))
def the_siren_is_on_while_there_is_an_alarm(step: _At) -> bool:
    """The siren is turned on as an alarm begins, off as it ends, and at no other time."""
    alarm = [state.startswith("ALARM") for state in (step.before.state, step.after.state)]
    wanted = [] if alarm[0] == alarm[1] else ["on" if alarm[1] else "off"]
    return [siren.to for siren in step.asked(Siren)] == wanted
