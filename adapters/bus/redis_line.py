"""A line to one server: connected when it is needed, given up when it is late, and nothing is ever sent twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from adapters.bus.redis_wire import Wire

__all__ = ["BLOCKED_S", "COMMAND_S", "Dial", "Line", "Lines", "Words", "polled"]

COMMAND_S = 0.3
"""Longest wait for an answer, and for a connection: a call that waits is dead air."""
BLOCKED_S = 2.0
"""Longest wait for the answer to a read that waits for entries."""
POLL_S = 0.1
"""Longest wait for those that are all asked the same: some of them may be dead, and a whole call has 0.3 s."""

_T = TypeVar("_T")
Words = Sequence[object]
Dial = Callable[[], Awaitable[Wire]]
"""Connects. Raises OSError."""


class Lines(Protocol):
    """All that one client of the bus has to its servers."""

    async def ask(self, commands: Sequence[Words]) -> list[object]:
        """Send commands; their answers in order, refusals and servers that are away among them as exceptions.

        Raises:
            OSError: Nobody could be asked.
        """

    async def read(self, head: Words, streams: Mapping[str, str], block_ms: int) -> list[object]:
        """Read streams from positions on: `head` is an XREAD or XREADGROUP up to its BLOCK.

        Returns:
            What the server answers: streams with entries; none if nothing came within `block_ms`.

        Raises:
            OSError: A server is away.
            redis.exceptions.ResponseError: It refuses.
        """

    def hang_up(self) -> None:
        """Connect anew before anything else is asked: what we are connected to is no longer what we want."""

    async def close(self) -> None: ...


class Line:
    """One connection.

    Args:
        dial: Makes it, and makes it again after it broke.
        blocking: For reads that wait for entries.
    """

    def __init__(self, dial: Dial, *, blocking: bool = False) -> None:
        self._dial = dial
        self._blocking = blocking
        self._wire: Wire | None = None
        self._connecting = asyncio.Lock()

    async def ask(self, commands: Sequence[Words], limit_s: float | None = None) -> list[object]:
        """Send commands at once; their answers in order, a refusal being a `ResponseError` among them.

        Args:
            commands: What to send.
            limit_s: Longest wait; by default as long as a command, or a read, may take.

        Raises:
            OSError: It cannot be asked, or gives no answer in time: not known whether it did as it was told.
        """
        limit_s = limit_s or (BLOCKED_S if self._blocking else COMMAND_S)
        answered = False
        try:
            async with asyncio.timeout(limit_s):
                wire = self._wire if self._wire is not None and self._wire.alive else await self._connect()
                answers = await wire.ask(commands)
            answered = True
            return answers
        except TimeoutError as error:
            self.hang_up()  # a server that is late may stay so
            raise TimeoutError(f"no answer within {limit_s:.1f} s") from error
        finally:
            if self._blocking and not answered:
                self.hang_up()  # nobody takes what a read brings that is still waiting there

    async def read(self, head: Words, streams: Mapping[str, str], block_ms: int) -> list[object]:
        """Read streams from positions on, waiting for entries; see `Lines.read`."""
        [answer] = await self.ask([(*head, "BLOCK", block_ms, "STREAMS", *streams, *streams.values())])
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, list) else []

    def hang_up(self) -> None:
        """Connect anew before anything else is asked."""
        if self._wire is not None:
            self._wire.abort()

    async def close(self) -> None:
        if self._wire is not None:
            await self._wire.close()

    async def _connect(self) -> Wire:
        async with self._connecting:
            if self._wire is None or not self._wire.alive:
                self._wire = await self._dial()
            return self._wire


async def polled(questions: Iterable[Coroutine[None, None, _T]]) -> tuple[list[_T], list[OSError]]:
    """Ask several at once; return who answered in time, and why others did not."""
    tasks = [asyncio.create_task(question) for question in questions]
    if not tasks:
        return [], []
    try:
        done, late = await asyncio.wait(tasks, timeout=POLL_S)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    answers: list[_T] = []
    trouble: list[OSError] = [TimeoutError(f"no answer within {POLL_S} s")] if late else []
    for task in tasks:
        if task in done:
            try:
                answers.append(task.result())
            except OSError as error:
                trouble.append(error)
    return answers, trouble
