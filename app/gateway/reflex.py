"""Lowers our voice at the first sign of the caller's, without waiting for anybody's decision."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

from app.gateway.playout import Playout
from statecharts.effects import PlayoutAction

__all__ = ["Reflex"]

UNDO_S = 1.0
"""Quiet after which a duck that nobody decided upon is undone."""
CONFIRM_S = 0.25
"""Time that the detector has to say that a first sign was a voice: it needs 0.1 s; then our voice comes back."""
WARY_AGAIN_S = 3.0
"""After a first sign that was none, only a voice ducks for so long: a noise must not make our voice flutter."""


class Reflex:
    """One call's ducking, as far as it is not the chart's doing.

    Args:
        playout: Of the voice that is lowered.
        do: Runs a coroutine beside the call.
        on_duck: Told how many seconds each took, from the arrival of the audio that caused it.
        interruptible: Whether callers may interrupt at all.
    """

    def __init__(
        self,
        playout: Playout,
        do: Callable[[Coroutine[object, object, None]], None],
        on_duck: Callable[[float], None],
        *,
        interruptible: bool,
    ) -> None:
        self._playout = playout
        self._do = do
        self._on_duck = on_duck
        self._enabled = interruptible
        self._turn: int | None = None
        self._undo: asyncio.TimerHandle | None = None
        self._voice_on = False
        self._wary_from = 0.0

    @property
    def over_ours(self) -> bool:
        """Whether a voice that begins now is one over ours."""
        return self._enabled and self._playout.audible_turn is not None

    @property
    def wary(self) -> bool:
        """Whether the first sign of a voice matters."""
        waits = self._turn is None and not self._voice_on
        return waits and self.over_ours and asyncio.get_running_loop().time() >= self._wary_from

    def sign(self, heard_at: float) -> None:
        """There may be a voice, in audio that came at `heard_at`: the detector will say."""
        if self.wary:
            self._duck(heard_at)
            self._undo_after(CONFIRM_S)

    def voice(self, on: bool, heard_at: float) -> None:
        """The caller's voice is on, or off again, by audio that came at `heard_at`."""
        self._voice_on = on
        self._keep()
        if on:
            self._duck(heard_at)
        elif self._turn is not None:
            self._undo_after(UNDO_S)

    def decided(self, action: PlayoutAction, turn: int) -> bool:
        """The chart gave an order; return whether the client has it already."""
        was_first = action == "duck" and self._turn == turn
        self.forget()
        return was_first

    def forget(self) -> None:
        """The chart has decided: it alone steers our voice now."""
        self._turn = None
        self._keep()

    def _duck(self, heard_at: float) -> None:
        turn = self._playout.audible_turn
        if self._enabled and turn is not None and self._turn is None:
            self._turn = turn
            self._do(self._lower(turn, heard_at))

    async def _lower(self, turn: int, heard_at: float) -> None:
        await self._playout.steer("duck", turn)
        self._on_duck(asyncio.get_running_loop().time() - heard_at)

    def _keep(self) -> None:
        if self._undo is not None:
            self._undo.cancel()
            self._undo = None

    def _undo_after(self, delay_s: float) -> None:
        self._keep()
        self._undo = asyncio.get_running_loop().call_later(delay_s, self._raise)

    def _raise(self) -> None:
        turn, self._turn, self._undo = self._turn, None, None
        self._wary_from = asyncio.get_running_loop().time() + WARY_AGAIN_S
        if turn is not None:
            self._do(self._playout.steer("resume", turn))
