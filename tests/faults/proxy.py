"""A network that fails: between a client and its server, on loopback."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["Proxy"]

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, for no time: closing sends a reset instead of an end."""


class Proxy:
    """Forwards connections to a port, as badly as it is told to.

    Attributes:
        delay_s: How late everything arrives, each way, in seconds.
        silent: Take everything, forward nothing, as a network that was cut does.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._writers: set[asyncio.StreamWriter] = set()
        self._through = asyncio.Event()
        self._through.set()
        self.delay_s = 0.0
        self.port = 0

    @property
    def silent(self) -> bool:
        return not self._through.is_set()

    @silent.setter
    def silent(self, silent: bool) -> None:
        (self._through.clear if silent else self._through.set)()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Forward meanwhile."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        yield
        server.close()
        self.reset()

    def reset(self) -> None:
        """Break all connections, as a machine that lost its memory of them does."""
        for writer in self._writers:
            if not writer.is_closing():
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner, to_inner = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, to_inner}
        self._writers |= pair
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._forward(reader, to_inner))
                group.create_task(self._forward(inner, writer))
        except* OSError:
            pass  # one side broke: so does the other
        finally:
            self._writers -= pair
            for end in pair:
                end.transport.abort()

    async def _forward(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            await self._through.wait()
            target.write(data)
        target.transport.abort()
        raise ConnectionResetError
