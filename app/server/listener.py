"""Where a server listens: a socket of its own, or one that its supervisor holds."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import NamedTuple

from statecharts.events import VoicechartError

__all__ = ["Seat", "address_of", "listen"]

_LISTENER, _NUMBER, _COUNT, _FOLDER = (
    f"VOICECHART_{name}" for name in ("LISTENER_FD", "PROCESS", "PROCESS_COUNT", "SIDE_DOORS")
)


class Seat(NamedTuple):
    """The place of one of several processes that accept calls from one socket."""

    number: int
    """From 1."""
    total: int
    """How many there are."""
    listener_fd: int
    folder: str
    """Where each of them has a unix socket, its side door, for the others."""

    def tell(self, environment: MutableMapping[str, str]) -> None:
        """Write it down for the process that is to take it."""
        for name, value in zip((_NUMBER, _COUNT, _LISTENER, _FOLDER), self, strict=True):
            environment[name] = str(value)

    @classmethod
    def told(cls, environment: Mapping[str, str]) -> Seat | None:
        """Return the place that a supervisor gave to this process, if one did."""
        if not environment.get(_LISTENER):
            return None
        number, total, listener_fd = (int(environment[name]) for name in (_NUMBER, _COUNT, _LISTENER))
        return cls(number, total, listener_fd, environment[_FOLDER])

    def take(self) -> socket.socket:
        """Return the socket that all accept calls from."""
        os.set_inheritable(self.listener_fd, False)
        return socket.socket(fileno=self.listener_fd)

    def open_side_door(self) -> socket.socket:
        """Return the socket at which the others reach this one."""
        door = self._door(self.number)
        door.unlink(missing_ok=True)  # of the one before us
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        opened.bind(str(door))
        return opened

    @property
    def others(self) -> list[Path]:
        """The side doors of the others."""
        return [self._door(number) for number in range(1, self.total + 1) if number != self.number]

    def _door(self, number: int) -> Path:
        return Path(self.folder) / f"{number}.sock"


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
