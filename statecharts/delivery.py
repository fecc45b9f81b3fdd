"""A request's life in the hands of workers, as a chart: received, worked on, done; or tried again, and at last dead.

    received ──begin──► working ──published──► settling ──settled──► done
                          │ failed, attempts left ──► waiting ──handed_out──► received, at any worker
                          │ failed, none left ──► leaving ──settled──► dead
    a worker that dies gives no sign of life any more: ──orphaned──► received, at another worker

A request that ends its worker would end all of them, one after the other: attempts are counted where it is handed out,
not where it fails, and one that was handed out too often is put aside before it is worked on.

    ./run diagram render --chart statecharts.delivery:Delivery --out delivery.svg
    ./run verify --chart statecharts.delivery:Delivery --properties statecharts.delivery_properties
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar

from statemachine import State, StateChart

from statecharts.lifecycle import Lifecycle
from statecharts.table import Table, declared

__all__ = ["MAX_ATTEMPTS", "Delivery", "DeliveryEffect", "new_delivery"]

MAX_ATTEMPTS = 3
"""Deliveries after which a request is put aside for a person: the usual delivery limit of brokers."""


class DeliveryEffect(Enum):
    """What the worker that holds a request has to do."""

    WORK = "find the answer, and publish it"
    ACKNOWLEDGE = "it is answered: forget it"
    GIVE_BACK = "have it handed out again after a while"
    PUT_ASIDE = "tell the conversation that no answer will come, and keep the request for a person"


class Counting:
    """What is remembered of a request, what the chart asks about it, and what it asks for.

    Args:
        attempts: How often it was handed out, this time included.
    """

    def __init__(self, attempts: int = 1) -> None:
        self.attempts = min(attempts, MAX_ATTEMPTS + 1)
        self.effects: list[DeliveryEffect] = []

    # --- guards

    def attempts_left(self) -> bool:
        """It was not handed out too often."""
        return self.attempts <= MAX_ATTEMPTS

    def more_attempts(self) -> bool:
        """It may be handed out once more after this."""
        return self.attempts < MAX_ATTEMPTS

    # --- actions

    def count(self) -> None:
        """It is handed out, again."""
        self.attempts = min(self.attempts + 1, MAX_ATTEMPTS + 1)

    def work(self) -> None:
        """Begin."""
        self.effects.append(DeliveryEffect.WORK)

    def acknowledge(self) -> None:
        """Nobody need answer it any more."""
        self.effects.append(DeliveryEffect.ACKNOWLEDGE)

    def give_back(self) -> None:
        """Somebody may answer it later."""
        self.effects.append(DeliveryEffect.GIVE_BACK)

    def put_aside(self) -> None:
        """Nobody can answer it."""
        self.effects.append(DeliveryEffect.PUT_ASIDE)


class Delivery(Counting, StateChart[None]):
    """What becomes of one request."""

    catch_errors_as_events = False
    allow_event_without_transition = True

    TIMERS: ClassVar = {"handed_out": 0.2, "orphaned": 1.0}
    """After the first attempt; and how long a worker may give no sign of life."""
    DEADLINES: ClassVar = {
        "received": ("orphaned",), "working": ("orphaned",), "settling": ("orphaned",), "leaving": ("orphaned",),
        "waiting": ("handed_out",),
    }  # fmt: skip
    EFFECTS = (DeliveryEffect,)

    received = State("a worker has it", initial=True)
    working = State("its answer is being found, and published")
    settling = State("answered: it is to be forgotten")
    waiting = State("nobody has it until it is tried again")
    leaving = State("it is being put aside")
    done = State("it is answered", final=True)
    dead = State("put aside for a person", final=True)

    begin = received.to(working, cond="attempts_left", on="work") | received.to(leaving, on="put_aside")
    published = working.to(settling, on="acknowledge")
    failed = working.to(leaving, unless="more_attempts", on="put_aside") | working.to(waiting, on="give_back")
    settled = settling.to(done) | leaving.to(dead)
    # The log took no answer: that is no fault of the request's.
    unreachable = (
        working.to(waiting, on="give_back")
        | settling.to(waiting, event="failed", on="give_back")
        | leaving.to(waiting, event="failed", on="give_back")
    )
    handed_out = waiting.to(received, on="count")
    orphaned = (
        received.to(received, on="count")
        | working.to(received, on="count")
        | settling.to(received, on="count")
        | leaving.to(received, on="count")
    )

    def __init__(self, attempts: int = 1) -> None:
        Counting.__init__(self, attempts)
        StateChart.__init__(self)

    def take_effects(self) -> list[DeliveryEffect]:
        """Return what was asked for since the last call."""
        effects, self.effects = self.effects, []
        return effects


_TABLE = Table(declared(Delivery), (Counting,))


def new_delivery(attempts: int) -> Lifecycle[DeliveryEffect]:
    """Return the chart of a request that was handed out so often, this time included."""
    return Lifecycle(_TABLE, Counting(attempts))
