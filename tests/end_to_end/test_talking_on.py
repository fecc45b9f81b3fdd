"""Callers who do not wait: they go on, ask the next thing, type and press keys while we think and speak."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from app.caller.link import Transport
from app.caller.messages import Answer, KeyPresses, TypedText
from tests.end_to_end.talker import call_as
from tests.speech import load

pytestmark = pytest.mark.real
both_transports = pytest.mark.parametrize("transport", ["ws", "webrtc"])


def plain(text: object) -> str:
    return " ".join(str(text).lower().translate(str.maketrans("", "", "?.,!")).split())


def voice(clip: str) -> bytes:
    """Return a clip without the silence before and after it: what is said at once is not to wait for it."""
    samples = np.frombuffer(load(clip), dtype="<i2")
    loud = np.flatnonzero(samples)
    return samples[loud[0] : loud[-1] + 1].tobytes()


@both_transports
async def test_who_goes_on_at_once_has_both_parts_answered_as_one(live_server: str, transport: Transport) -> None:
    async with call_as(live_server, transport) as caller:
        await caller.say(voice("ask_what_can_you_do.wav"))
        await caller.state("THINKING", 1)
        await caller.say(voice("ask_states.wav"))
        await caller.state("SPEAKING", 2)
        await caller.state("LISTENING", 2)
        first, second = await caller.turns(2)
    assert (plain(first["user_text"]), first["withdrawn"]) == ("what can you do", True)
    assert plain(second["user_text"]) == "what can you do what are your states"
    assert second["heard_text"] == second["answer_text"] != ""


@both_transports
async def test_two_quick_questions_are_two_turns_and_neither_loses_a_word(
    live_server: str, transport: Transport
) -> None:
    async with call_as(live_server, transport) as caller:
        await caller.say(voice("ask_states.wav"))
        await caller.state("SPEAKING", 1)
        await asyncio.sleep(1.0)  # later than an answer can be taken back
        await caller.say(voice("ask_interrupt.wav"))
        await caller.state("SPEAKING", 2)
        first, second = await caller.turns(2)
    assert (plain(first["user_text"]), first["interrupted"]) == ("what are your states", True)
    assert first["answer_text"].startswith(first["heard_text"])
    assert plain(second["user_text"]) == "how do i interrupt you"
    assert "speak" in second["answer_text"]


@both_transports
async def test_what_is_typed_while_we_think_or_speak_is_not_lost(live_server: str, transport: Transport) -> None:
    async with call_as(live_server, transport) as caller:
        await caller.send(TypedText("what are"), TypedText("your states"))  # the second while we think of the first
        await caller.state("SPEAKING", 2)
        await asyncio.sleep(0.3)
        before = len(caller.messages)
        await caller.send(TypedText("how do I interrupt you"))
        answer = await caller.hear(lambda message: isinstance(message, Answer), after=before)
        await caller.state("SPEAKING", 3)
        turns = await caller.turns(2)
    assert isinstance(answer, Answer)
    assert (answer.payload.turn, answer.payload.text) == (3, "You speak, and I stop.")
    assert [(turn["user_text"], turn["withdrawn"], turn["interrupted"]) for turn in turns[:2]] == [
        ("what are", True, False),
        ("what are your states", False, True),
    ]


@both_transports
async def test_keys_stop_the_answer_at_once_and_are_a_turn(live_server: str, transport: Transport) -> None:
    async with call_as(live_server, transport) as caller:
        await caller.send(TypedText("tell me about the five states"))
        await caller.state("SPEAKING", 1)
        await asyncio.sleep(0.3)
        await caller.send(KeyPresses("1"))
        await caller.state("LISTENING", 1)
        await caller.send(KeyPresses("2#"))
        await caller.state("SPEAKING", 2)
        await caller.send(TypedText("what are"), KeyPresses("3#"))  # while we think
        await caller.state("SPEAKING", 4)
        await caller.state("LISTENING", 4)
        turns = await caller.turns(4)
    assert [(turn["user_text"], turn["withdrawn"]) for turn in turns] == [
        ("tell me about the five states", False),
        ("DTMF: 12#", False),
        ("what are", True),
        ("what are DTMF: 3#", False),
    ]
    assert turns[0]["interrupted"]
