"""Whether gateways carried out what was asked of them: all of it, once, in order, and nothing of a former owner."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import zip_longest

import msgspec
from msgspec import Struct

from app.folding import FOR_THE_GATEWAY
from app.history.records import Found, History, Obeyed, is_copy
from statecharts.events import Connected

__all__ = ["misses_no_command", "obeys_no_older_epoch"]

_JOURNALLED = {kind.__name__ for kind in FOR_THE_GATEWAY}
"""What gateways are told beside these (`Welcome`) is of no record."""
_Effects = list[dict[str, object]]


class _Asked(Struct, frozen=True):
    """What one fact asked of one gateway."""

    number: int
    """Of the record in the journal."""
    effects: _Effects


def obeys_no_older_epoch(history: History) -> Found:
    """A gateway never obeys an older epoch once it has obeyed a newer one."""
    newest: dict[str, int] = {}
    for obeyed in history.obeyed or ():
        latest = newest.get(obeyed.gateway, 0)
        if obeyed.epoch < latest:
            told = f"{obeyed.gateway} obeyed epoch {obeyed.epoch} after {latest}"
            yield history.wrong("no older epoch is obeyed", told, obeyed.position)
        newest[obeyed.gateway] = max(latest, obeyed.epoch)


def misses_no_command(history: History) -> Found:
    """From its first command on a call gets all that is for its gateway, in order, once; if it lasts, to the end."""
    due = _asked_of_gateways(history)
    numbers = {record.position: number for number, record in enumerate(history.journal)}
    for call, commands in _by_call(history.obeyed or ()).items():
        first, last = numbers.get(commands[0].position, 0), numbers.get(commands[-1].position, 0)
        if call in history.alive and history.finished:
            last = len(history.journal)
        wanted = [asked for asked in due.get(commands[0].gateway, ()) if first <= asked.number <= last]
        got = [_done(command, numbers) for command in commands]
        for asked, done in zip_longest(wanted, [done for done in got if done.effects]):
            if asked != done:
                told = f"{call} was asked {_told(asked)}, and did {_told(done)}"
                yield history.wrong("clients miss nothing", told, commands[-1].position)
                break


def _told(asked: _Asked | None) -> str:
    return "nothing" if asked is None else f"{asked.effects[0]} and {len(asked.effects) - 1} more"


def _done(command: Obeyed, numbers: Mapping[str, int]) -> _Asked:
    effects = [effect for effect in command.effects if effect.get("effect") in _JOURNALLED]
    return _Asked(numbers.get(command.position, -1), effects)


def _asked_of_gateways(history: History) -> dict[str, list[_Asked]]:
    due: dict[str, list[_Asked]] = {}
    gateway = ""
    for number, record in enumerate(history.journal):
        fact = history.facts.get(record.position)
        if fact is not None and fact.event_type == Connected.event_type and not is_copy(record):
            gateway = fact.source or gateway
        effects = [effect for effect in record.effects if isinstance(effect, FOR_THE_GATEWAY)]
        if gateway and effects:
            due.setdefault(gateway, []).append(_Asked(number, msgspec.to_builtins(effects)))
    return due


def _by_call(obeyed: Iterable[Obeyed]) -> dict[str, list[Obeyed]]:
    calls: dict[str, list[Obeyed]] = {}
    for command in obeyed:
        calls.setdefault(command.call, []).append(command)
    return calls
