"""Tells a client how the conversation goes: where it stands, what it missed, and all that happens from then on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence

from adapters.bus.port import BusUnavailable
from app.gateway.client import Client
from app.gateway.services import Message
from app.gateway.told import Told, missed_messages

__all__ = ["Teller"]

RETRY_S = 0.1
CATCH_UP_MESSAGES = 500
"""So many missed messages are sent before the next are: a client's outbox takes a thousand."""


class Teller:
    """What one call's client is told.

    Args:
        client: Who is told.
        journal: Returns the session's journal, from some time before a position on.
        do: Runs a coroutine beside the call.
        on_greeted: Called when a client was told all that it missed, before anything else is sent.
    """

    def __init__(
        self,
        client: Client,
        journal: Callable[[str], Awaitable[Sequence[bytes]]],
        do: Callable[[Coroutine[object, object, None]], None],
        on_greeted: Callable[[], None],
    ) -> None:
        self.greeted = asyncio.Event()
        """Set while a client is there that knows where the conversation stands."""
        self.after: str | None = None
        """The last message that a client has of an earlier connection, if it said so."""
        self._client = client
        self._journal = journal
        self._do = do
        self._on_greeted = on_greeted
        self._told = Told()
        self._held: list[Message] | None = None
        """What a client is told when it has what went before; None: nobody is being greeted."""

    def begin(self, position: str) -> None:
        """What follows comes of the fact at this position."""
        self._told.begin(position)

    async def tell(self, effect: Mapping[str, object]) -> None:
        """Tell of one effect; before `session` a client knows nothing to which it could relate."""
        for message in self._told.messages(effect):
            if self.greeted.is_set():
                await self._client.send(message)
            elif self._held is not None:
                self._held.append(message)

    def greet(self, standing: Mapping[str, object]) -> None:
        """Tell a new client where the conversation stands, then what it missed; what comes meanwhile waits."""
        self.greeted.clear()
        self._held = []
        position = self._told.position
        # Who breaks off right behind it still misses what it missed.
        greeting: Message = {"type": "session", "payload": standing, "id": self.after or f"{position}.0"}
        self._do(self._catch_up(greeting, self._held, position))

    def fall_silent(self) -> None:
        """Nobody is there to be told anything."""
        self.greeted.clear()
        self._held = None

    async def _missed(self, after: str, upto: str) -> list[Message]:
        while True:
            try:
                return missed_messages(await self._journal(after.split(".")[0]), after, upto)
            except BusUnavailable:  # whoever waits for the greeting has a limit
                await asyncio.sleep(RETRY_S)

    async def _catch_up(self, greeting: Message, held: list[Message], upto: str) -> None:
        missed = await self._missed(self.after, upto) if self.after is not None else []
        known = {message["id"] for message in missed}
        told = [greeting, *missed]
        while self._held is held:  # neither is it gone, nor is there a newer one
            for message in told[:CATCH_UP_MESSAGES]:
                await self._client.send(message)
            if told := told[CATCH_UP_MESSAGES:]:
                await self._client.flush()
                continue
            self._held = None
            self.greeted.set()
            self._on_greeted()
            for message in held:  # the fact that brought the client here may be in both
                if message["id"] not in known:
                    await self._client.send(message)
            return
