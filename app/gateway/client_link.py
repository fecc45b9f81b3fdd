"""What a call does about its client, as the chart of its link says: tells the log, greets it, lets it hear."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Sequence

from app.gateway.client import Client
from app.gateway.confirmed import Confirmed
from app.gateway.mouth import Mouth
from app.gateway.services import Message
from app.gateway.teller import Teller
from statecharts.connection import Connection, LinkEffect, new_connection
from statecharts.events import MOVED, Connected, Disconnected, Event, SessionStarted

__all__ = ["ClientLink"]

ANSWERED_WITHIN_S = Connection.TIMERS["not_answered"]


class ClientLink:
    """The link of one call's client.

    Args:
        client: Where messages and audio go.
        mouth: Whose audio is sent again to a client that has nothing of it.
        confirmed: How much of it was played.
        publish: Takes each fact, in order.
        journal: Returns the session's journal, from some time before a position on.
        do: Runs a coroutine beside the call.
        standing: Tells where the conversation stands.
        is_new: Whether the session has to be started first.
        elsewhere: Whether another gateway may hold a client of the session.
    """

    def __init__(
        self, client: Client, mouth: Mouth, confirmed: Confirmed, publish: Callable[[Event], None],
        journal: Callable[[str], Awaitable[Sequence[bytes]]], do: Callable[[Coroutine[object, object, None]], None],
        standing: Callable[[], Message], *, is_new: bool, elsewhere: bool,
    ) -> None:  # fmt: skip
        self._chart = new_connection()
        self._mouth = mouth
        self._confirmed = confirmed
        self._publish = publish
        self._standing = standing
        self._is_new = is_new
        self._elsewhere = elsewhere
        self._teller = Teller(client, journal, do, lambda: self._take("caught_up"))
        self.begin, self.tell = self._teller.begin, self._teller.tell
        self.live = self._teller.greeted
        """Set while a client is there that knows all that went before."""
        self.ours = False
        """The log has answered once that the client is here."""
        self._transport = self._connect_id = self._reason = ""

    @property
    def is_over(self) -> bool:
        """Whether this call has nothing to do with a client any more."""
        return self._chart.state == "closed"

    async def until_live(self) -> None:
        """Return when the client was greeted. Raises TimeoutError if the log does not answer: the client is let go."""
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                await self.live.wait()
        except TimeoutError:
            self._reason = "the connect was not folded"
            self._take("not_answered")
            raise

    def came(self, transport: str, after: str | None = None) -> None:
        """The first of a client is there.

        Args:
            transport: How.
            after: The last message that it has of an earlier connection, if it said so.
        """
        self._transport, self._teller.after = transport, after
        self._take("client_came")

    def joined(self, after: str | None, *, replaces: bool) -> None:
        """A WebSocket more is there: in place of another client, or beside what is there of this one."""
        self._teller.after = after
        self._take("client_replaced" if replaces else "client_joined")

    def left(self, reason: str) -> None:
        """The last of the client is gone."""
        self._reason = reason
        self._take("client_left")

    def answers(self, connect_id: object) -> bool:
        """Return whether the log's welcome is one to the client that waits for it."""
        return connect_id == self._connect_id and not self.live.is_set()

    def welcome(self) -> None:
        """The log knows of the client, and we where the conversation stands."""
        self.ours = True
        self._take("welcomed")

    def contradict(self) -> None:
        """We were taken for dead, standing still for a while."""
        self._take("taken_for_gone")

    def end(self) -> None:
        """The session is over, or goes on at another gateway."""
        self._take("over")

    def _take(self, event: str) -> None:
        for effect in self._chart.take(event):
            match effect:
                case LinkEffect.SEND_AGAIN:
                    self._confirmed.resume()
                    self._mouth.playout.rewind(self._confirmed.played_s(self._mouth.playout.turn))
                case LinkEffect.CONNECT:
                    self._connect()
                case LinkEffect.CLAIM:
                    self._publish(Connected(transport=self._transport, still=True))
                case LinkEffect.GREET:
                    self._teller.greet(self._standing())
                case LinkEffect.GO_ON:
                    self._mouth.playout.wake()
                case LinkEffect.DISCONNECT:
                    self._teller.fall_silent()
                    self._mouth.suspend()
                    self._publish(Disconnected(reason=self._reason))

    def _connect(self) -> None:
        self._connect_id = str(uuid.uuid4())
        if self._is_new:
            self._publish(SessionStarted(transport=self._transport))
        if self._elsewhere:
            self._publish(Disconnected(reason=MOVED))
        self._is_new = self._elsewhere = False
        self._publish(Connected(transport=self._transport, event_id=self._connect_id))
