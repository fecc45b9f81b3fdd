"""Our voice is lowered at the first sign of another, and comes back if nothing came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import cast

import pytest

from app.gateway import reflex
from app.gateway.playout import Playout
from app.gateway.reflex import Reflex
from statecharts.effects import PlayoutAction


class LoudPlayout:
    """Plays turn 1 all the time, and notes what it is told."""

    audible_turn = 1

    def __init__(self) -> None:
        self.orders: list[tuple[str, int]] = []

    async def steer(self, action: PlayoutAction, turn: int) -> None:
        self.orders.append((action, turn))


class Rig:
    """A reflex that acts at once."""

    def __init__(self, *, interruptible: bool = True) -> None:
        self.playout = LoudPlayout()
        self.ducks: list[float] = []
        self._tasks: list[asyncio.Future[None]] = []
        self.reflex = Reflex(cast("Playout", self.playout), self._do, self.ducks.append, interruptible=interruptible)

    def _do(self, work: Coroutine[object, object, None]) -> None:
        self._tasks.append(asyncio.ensure_future(work))

    async def after(self, seconds: float) -> list[tuple[str, int]]:
        await asyncio.sleep(seconds)
        return self.playout.orders


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("CONFIRM_S", 0.02), ("UNDO_S", 0.05), ("WARY_AGAIN_S", 0.1)):
        monkeypatch.setattr(reflex, name, seconds)


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_first_sign_ducks_once_and_the_voice_after_it_does_not_again() -> None:
    rig = Rig()
    rig.reflex.sign(now())
    rig.reflex.sign(now())
    rig.reflex.voice(True, now())
    assert await rig.after(0.1) == [("duck", 1)]
    assert rig.ducks[0] >= 0


async def test_a_first_sign_that_was_none_is_undone_and_only_a_voice_ducks_for_a_while() -> None:
    rig = Rig()
    rig.reflex.sign(now())
    assert await rig.after(0.05) == [("duck", 1), ("resume", 1)]
    assert not rig.reflex.wary
    rig.reflex.sign(now())
    assert len(await rig.after(0.01)) == 2
    rig.reflex.voice(True, now())
    assert (await rig.after(0.01))[-1] == ("duck", 1)


async def test_after_a_while_first_signs_matter_again() -> None:
    rig = Rig()
    rig.reflex.sign(now())
    await rig.after(0.2)
    assert rig.reflex.wary


async def test_a_voice_nobody_decides_upon_is_undone_after_quiet() -> None:
    rig = Rig()
    rig.reflex.voice(True, now())
    rig.reflex.voice(False, now())
    assert await rig.after(0.1) == [("duck", 1), ("resume", 1)]


async def test_what_the_chart_decides_is_not_told_twice_and_not_undone() -> None:
    rig = Rig()
    rig.reflex.voice(True, now())
    assert rig.reflex.decided("duck", 1) is True
    rig.reflex.voice(False, now())
    assert rig.reflex.decided("resume", 1) is False
    assert await rig.after(0.1) == [("duck", 1)]


async def test_an_answer_that_may_not_be_interrupted_is_not_lowered() -> None:
    rig = Rig(interruptible=False)
    assert not rig.reflex.wary
    rig.reflex.sign(now())
    rig.reflex.voice(True, now())
    assert await rig.after(0.05) == []
