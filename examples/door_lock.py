"""A door with a keypad lock: a chart of another domain, and an example of how to write one.

It imports nothing of voicechart, and still can be drawn, reviewed and verified:

    ./run diagram render --chart examples.door_lock:DoorLock --out door_lock.svg
    ./run verify --chart examples.door_lock:DoorLock --properties examples.door_lock_properties

What to imitate: every transition is declared in the class; guards ask, and change nothing; actions change what is
remembered and ask for effects, but do nothing themselves; no clock: a timer is started by an effect, and comes back as
an event when its time has passed. `TIMERS`, `DEADLINES`, `EFFECTS` and `EXAMPLES` tell the tools what a class cannot:
all are optional.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeVar, cast

from statemachine import State, StateChart

__all__ = ["Bolt", "CancelTimer", "DoorLock", "Lamp", "Siren", "StartTimer"]

TRIES = 3
"""Wrong codes in a row after which the keypad is blocked."""

_T = TypeVar("_T")


def whole(state: type[_T]) -> State:
    """Return a compound state as what it is at run time, whichever of its substates is active."""
    return cast("State", state)


@dataclass(frozen=True)
class Bolt:
    """Drive the bolt."""

    to: Literal["in", "out"]


@dataclass(frozen=True)
class Lamp:
    """Let the lamp at the keypad shine."""

    colour: Literal["green", "red", "off"]


@dataclass(frozen=True)
class Siren:
    """Turn the siren on or off."""

    to: Literal["on", "off"]


@dataclass(frozen=True)
class StartTimer:
    """Send the event of this name when its seconds have passed."""

    name: str


@dataclass(frozen=True)
class CancelTimer:
    """Let the timer of this name not fire."""

    name: str


class DoorLock(StateChart[None]):
    """Whether the door may be opened, and what is done when it should not have been."""

    catch_errors_as_events = False
    allow_event_without_transition = True

    TIMERS: ClassVar = {"code_timeout": 10.0, "penalty": 60.0, "relock": 5.0, "left_open": 45.0}
    """Events that come when so many seconds have passed."""
    DEADLINES: ClassVar = {
        "LOCKED.entering": ("code_timeout",),
        "LOCKED.blocked": ("penalty",),
        "UNLOCKED.shut": ("relock",),
        "UNLOCKED.open": ("left_open",),
    }
    """For each state in which somebody waits, the timers of which one runs."""
    EFFECTS = (Bolt, Lamp, Siren, StartTimer, CancelTimer)
    """What actions may ask for."""
    EXAMPLES: ClassVar = {"code_entered": ({"code": "2580"}, {"code": "0000"})}
    """For each event that brings something, examples of what."""

    class LOCKED(State.Compound, name="the bolt is out"):
        """The bolt is out."""

        ready = State("nobody is at the keypad", initial=True)
        entering = State("a code is being typed")
        blocked = State("too many wrong codes")

    class UNLOCKED(State.Compound, name="the bolt is in"):
        """The bolt is in."""

        shut = State("the door is shut", initial=True)
        open = State("somebody walks through")

    class ALARM(State.Compound, name="the siren is on"):
        """The siren is on."""

        forced = State("opened although locked", initial=True)
        ajar = State("open for too long")

    # --- the keypad
    key_pressed = LOCKED.ready.to(LOCKED.entering) | LOCKED.entering.to(None, on="wait_for_more")
    code_entered = (
        LOCKED.entering.to(UNLOCKED.shut, cond="right_code", on="welcome")
        | LOCKED.entering.to(LOCKED.ready, cond="tries_left", on="refuse")
        | LOCKED.entering.to(LOCKED.blocked, on="refuse")
    )
    code_timeout = LOCKED.entering.to(LOCKED.ready)
    penalty = LOCKED.blocked.to(LOCKED.ready, on="forgive")

    # --- the door
    door_opened = UNLOCKED.shut.to(UNLOCKED.open) | whole(LOCKED).to(ALARM.forced)
    door_shut = UNLOCKED.open.to(UNLOCKED.shut) | ALARM.ajar.to(UNLOCKED.shut)
    relock = UNLOCKED.shut.to(LOCKED.ready, on="lock")
    left_open = UNLOCKED.open.to(ALARM.ajar)

    # --- whoever is in charge
    master_key = (
        LOCKED.ready.to(UNLOCKED.shut, event="inside_handle", on="welcome")
        | LOCKED.blocked.to(UNLOCKED.shut, event="inside_handle", on="welcome")
        | whole(ALARM).to(UNLOCKED.open, on="welcome")
    )

    def __init__(self, code: str = "2580") -> None:
        self.code = code
        self.wrong = 0
        """Wrong codes since the last right one."""
        self._effects: list[object] = []
        super().__init__()

    def take_effects(self) -> list[object]:
        """Return what was asked for since the last call; whoever runs the lock does it."""
        effects, self._effects = self._effects, []
        return effects

    # --- guards

    def right_code(self, code: str = "") -> bool:
        """The code is the one that opens."""
        return code == self.code

    def tries_left(self) -> bool:
        """One more wrong code does not yet block the keypad."""
        return self.wrong + 1 < TRIES

    # --- actions

    def on_enter_entering(self) -> None:
        """Wait for a code, but not for ever."""
        self._effects.append(StartTimer("code_timeout"))

    def on_exit_entering(self) -> None:
        """A code is there, or will not come."""
        self._effects.append(CancelTimer("code_timeout"))

    def wait_for_more(self) -> None:
        """One more digit."""
        self._effects.append(StartTimer("code_timeout"))

    def refuse(self) -> None:
        """Count a wrong code."""
        self.wrong += 1
        self._effects.append(Lamp("red"))

    def on_enter_blocked(self) -> None:
        """Take no codes for a while."""
        self._effects.append(StartTimer("penalty"))

    def on_exit_blocked(self) -> None:
        """Codes are taken again."""
        self._effects.append(CancelTimer("penalty"))

    def forgive(self) -> None:
        """Count from the beginning."""
        self.wrong = 0
        self._effects.append(Lamp("off"))

    def welcome(self) -> None:
        """Let somebody in."""
        self.wrong = 0
        self._effects += [Bolt("in"), Lamp("green")]

    def lock(self) -> None:
        """Nobody came, or somebody is through."""
        self._effects += [Bolt("out"), Lamp("off")]

    def on_enter_shut(self) -> None:
        """Lock again in a moment."""
        self._effects.append(StartTimer("relock"))

    def on_exit_shut(self) -> None:
        """The door moves, or is locked."""
        self._effects.append(CancelTimer("relock"))

    def on_enter_open(self) -> None:
        """It should not stay open."""
        self._effects.append(StartTimer("left_open"))

    def on_exit_open(self) -> None:
        """It does not stand open quietly any more."""
        self._effects.append(CancelTimer("left_open"))

    def on_enter_ALARM(self) -> None:  # noqa: N802 - the library calls it after the state
        """Wake everybody."""
        self._effects.append(Siren("on"))

    def on_exit_ALARM(self) -> None:  # noqa: N802
        """All is well."""
        self._effects.append(Siren("off"))
