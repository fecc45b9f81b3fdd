"""How long a process that dies waits to be started again, and where it finds its socket."""

from __future__ import annotations

import os
import socket

from app.server.listener import Seat, listen
from app.supervisor import HEALTHY_S, BackOff


def test_what_dies_young_waits_longer_each_time_up_to_five_seconds() -> None:
    back_off = BackOff()
    assert [back_off.after(0.5) for _ in range(8)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_what_was_well_for_a_while_is_started_again_at_once() -> None:
    back_off = BackOff()
    for _ in range(6):
        back_off.after(0.5)
    assert back_off.after(HEALTHY_S) == 0.1
    assert back_off.after(0.5) == 0.2


def test_a_process_is_told_its_place_by_its_environment() -> None:
    environment: dict[str, str] = {}
    assert Seat.told(environment) is None
    Seat(2, 7).tell(environment)
    assert Seat.told(environment) == Seat(2, 7)


def test_the_socket_of_the_place_is_the_one_that_listens() -> None:
    with listen("127.0.0.1", 0) as listener, Seat(1, os.dup(listener.fileno())).take() as taken:
        listener.listen()
        assert taken.getsockname() == listener.getsockname()
        with socket.create_connection(taken.getsockname()):
            taken.accept()[0].close()
