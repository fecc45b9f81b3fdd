"""Keys become typed text."""

from __future__ import annotations

import asyncio

import pytest

from app.gateway.keypad import PAUSE_S, Keypad
from app.gateway.messages import BadMessage, KeysPressed, read_message
from app.scenario.virtual_time import run
from statecharts.events import Event, KeyPressed, SttFinal


def told(events: list[Event]) -> list[str]:
    return [event.text if isinstance(event, SttFinal) else type(event).__name__ for event in events]


async def pressed(*keys: str, after_s: float = 1.0) -> list[Event]:
    events: list[Event] = []
    keypad = Keypad(events.append)
    for key in keys:
        keypad.press(key)
        await asyncio.sleep(after_s)
    return events


def test_a_hash_ends_what_is_entered() -> None:
    assert told(run(pressed("1", "2", "#"))) == ["KeyPressed", "DTMF: 12#"]
    assert told(run(pressed("12#34#"))) == ["DTMF: 12#", "DTMF: 34#"]


def test_a_pause_ends_what_is_entered() -> None:
    assert told(run(pressed("1", "2", after_s=PAUSE_S - 0.01))) == ["KeyPressed"]
    assert told(run(pressed("1", "2", after_s=PAUSE_S + 0.01))) == ["KeyPressed", "DTMF: 1", "KeyPressed", "DTMF: 2"]


def test_the_first_key_is_told_at_once() -> None:
    assert isinstance(run(pressed("*", after_s=0.0))[0], KeyPressed)


def test_keys_come_as_a_message_of_their_own() -> None:
    assert read_message('{"type":"keys","keys":"12*#"}', 0) == KeysPressed("12*#")
    with pytest.raises(BadMessage, match="keys: Expected `str` matching regex"):
        read_message('{"type":"keys","keys":"12x"}', 0)
    with pytest.raises(BadMessage, match="keys: Expected `str` matching regex"):
        read_message('{"type":"keys","keys":""}', 0)
