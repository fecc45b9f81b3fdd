"""Where a server listens: a socket of its own, or one that its supervisor holds."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping, MutableMapping
from typing import NamedTuple

from statecharts.events import VoicechartError

__all__ = ["Seat", "address_of", "listen"]

_LISTENER, _NUMBER = "VOICECHART_LISTENER_FD", "VOICECHART_PROCESS"


class Seat(NamedTuple):
    """The place of one of several processes that accept calls from one socket."""

    number: int
    """From 1."""
    listener_fd: int

    def tell(self, environment: MutableMapping[str, str]) -> None:
        """Write it down for the process that is to take it."""
        environment[_NUMBER], environment[_LISTENER] = str(self.number), str(self.listener_fd)

    @classmethod
    def told(cls, environment: Mapping[str, str]) -> Seat | None:
        """Return the place that a supervisor gave to this process, if one did."""
        if not environment.get(_LISTENER):
            return None
        return cls(int(environment[_NUMBER]), int(environment[_LISTENER]))

    def take(self) -> socket.socket:
        """Return the socket."""
        os.set_inheritable(self.listener_fd, False)
        return socket.socket(fileno=self.listener_fd)


def address_of(host: str, listener: socket.socket) -> str:
    """Return the URL at which a listener is reached; its port may have been chosen by the system."""
    return f"http://{host if ':' not in host else f'[{host}]'}:{listener.getsockname()[1]}"


def listen(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address. Raises VoicechartError if it cannot be had."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    except OSError as error:
        raise VoicechartError(f"cannot listen on {host!r}: {error}. Pass --host with an address of yours.") from error
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise VoicechartError(
                f"port {port} on {host} is in use. Stop what uses it, or pass --port with another."
            ) from error
        raise VoicechartError(f"cannot listen on {host}:{port}: {error.strerror}.") from error
    return listener
