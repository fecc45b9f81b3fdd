"""A client's link to the gateway that holds its call, as a chart: gone, coming back, live, closed.

    detached ──client_came──► connecting ──welcomed──► greeting ──caught_up──► live ──client_left──► detached
                                                                  from anywhere ──over──► closed

The conversation's own chart knows only whether a client is there. Here is how a gateway comes to say so: it tells the
log, waits until the log has answered with where the conversation stands, tells the client that and all it missed, and
only then lets it hear and be heard. Whatever was told to the log is taken back when the client goes, at whatever point
it goes.

    ./run diagram render --chart statecharts.connection:Connection --out connection.svg
    ./run verify --chart statecharts.connection:Connection --properties statecharts.connection_properties
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar

from statemachine import State, StateChart

from statecharts.lifecycle import Lifecycle
from statecharts.table import Table, declared

__all__ = ["Connection", "LinkEffect", "new_connection"]


class LinkEffect(Enum):
    """What a gateway has to do about its client."""

    CONNECT = "tell the log that a client is there"
    CLAIM = "tell the log that the client is still there"
    DISCONNECT = "tell the log that the client is gone, and this client nothing more"
    SEND_AGAIN = "have sent again what was sent and not played"
    GREET = "tell the client where the conversation stands, and what it missed"
    GO_ON = "let it hear us"


class Asking:
    """What is remembered of a link, and what the chart asks for."""

    def __init__(self) -> None:
        self.logged = False
        """The log was told that a client is there, and not that it is gone."""
        self.effects: list[LinkEffect] = []

    def connect(self) -> None:
        """A client is there."""
        self.logged = True
        self.effects.append(LinkEffect.CONNECT)

    def claim(self) -> None:
        """It is there all the same: we stood still for a while, and were taken for dead."""
        self.effects.append(LinkEffect.CLAIM)

    def disconnect(self) -> None:
        """It is gone."""
        self.logged = False
        self.effects.append(LinkEffect.DISCONNECT)

    def send_again(self) -> None:
        """It has nothing of what another one was sent."""
        self.effects.append(LinkEffect.SEND_AGAIN)

    def greet(self) -> None:
        """It has to know where it is."""
        self.effects.append(LinkEffect.GREET)

    def go_on(self) -> None:
        """It knows all that went before."""
        self.effects.append(LinkEffect.GO_ON)


class Connection(Asking, StateChart[None]):
    """Whether a client is there, and what of the conversation it knows."""

    catch_errors_as_events = False
    allow_event_without_transition = True

    TIMERS: ClassVar = {"not_answered": 5.0}
    """A log that does not answer for so long is away; the client is told to come again."""
    DEADLINES: ClassVar = {"connecting": ("not_answered",), "greeting": ("not_answered",)}
    EFFECTS = (LinkEffect,)

    detached = State("no client is there", initial=True)
    connecting = State("the log is told, and has to answer")
    greeting = State("it is told where we stand, and what it missed")
    live = State("it hears us, and is heard")
    closed = State("the call is over, or at another gateway", final=True)

    client_came = detached.to(connecting, on=["send_again", "connect"])
    # A WebSocket beside a peer connection: the audio goes on, the messages go there.
    client_joined = greeting.to(greeting, on="greet") | live.to(greeting, on="greet")
    client_replaced = greeting.to(greeting, on=["send_again", "greet"]) | live.to(greeting, on=["send_again", "greet"])
    welcomed = connecting.to(greeting, on="greet")
    caught_up = greeting.to(live, on="go_on")
    taken_for_gone = greeting.to(None, on="claim") | live.to(None, on="claim")
    client_left = (
        connecting.to(detached, event="not_answered", on="disconnect")
        | greeting.to(detached, event="not_answered", on="disconnect")
        | live.to(detached, on="disconnect")
    )
    over = detached.to(closed) | connecting.to(closed) | greeting.to(closed) | live.to(closed)

    def __init__(self) -> None:
        Asking.__init__(self)
        StateChart.__init__(self)

    def take_effects(self) -> list[LinkEffect]:
        """Return what was asked for since the last call."""
        effects, self.effects = self.effects, []
        return effects


_TABLE = Table(declared(Connection), (Asking,))


def new_connection() -> Lifecycle[LinkEffect]:
    """Return the chart of a link without a client."""
    return Lifecycle(_TABLE, Asking())
