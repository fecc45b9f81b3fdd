"""Which commands a gateway obeys: none of a former owner, and none for a fact whose commands it has obeyed."""

from __future__ import annotations

from adapters.bus.port import Command
from app.gateway.orders import REMEMBERED, Orders


def command(epoch: int, event_id: str) -> Command:
    return Command(session_id="s", epoch=epoch, event_id=event_id)


def test_the_commands_of_a_fact_are_obeyed_once_whoever_owns_it() -> None:
    orders = Orders()
    assert orders.takes(command(1, "a"))
    assert not orders.takes(command(1, "a"))
    assert not orders.takes(command(2, "a"))
    assert orders.takes(command(2, "b"))


def test_an_older_epoch_is_refused_after_a_newer_one_even_one_with_nothing_to_do() -> None:
    orders = Orders()
    orders.takes(command(1, "a"))
    orders.takes(command(2, "a"))
    assert not orders.takes(command(1, "b"))
    assert orders.epoch == 2


def test_facts_without_an_id_are_all_different_and_only_the_latest_are_remembered() -> None:
    orders = Orders()
    assert all(orders.takes(command(1, "")) for _ in range(2))
    assert all(orders.takes(command(1, str(number))) for number in range(REMEMBERED + 1))
    assert not orders.takes(command(1, str(REMEMBERED)))
    assert orders.takes(command(1, "0"))
