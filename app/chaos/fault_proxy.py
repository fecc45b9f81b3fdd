"""A TCP proxy that misbehaves when asked to: it delays, swallows, and resets.

It stands between one process and its server, so that a fault of the network hits nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass

__all__ = ["FaultProxy"]

CHUNK_BYTES = 64 * 1024
WAITING_CHUNKS = 64
"""Pieces that may wait on the way; then nothing more is read, and the sender is held up as TCP would hold it up."""
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST in place of FIN (socket(7))."""


@dataclass(eq=False)
class _Connection:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter

    def reset(self) -> None:
        _reset(self.client)
        _reset(self.server)


def _reset(writer: asyncio.StreamWriter) -> None:
    found: socket.socket | None = writer.get_extra_info("socket")
    if found is not None and found.family != socket.AF_UNIX and not writer.transport.is_closing():
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


class FaultProxy:
    """Passes bytes between its clients and one server.

    Args:
        target: The server: `host:port`, or the path of a unix socket.

    Attributes:
        delay_s: How long every piece is under way, each way, in seconds.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self.delay_s = 0.0
        self._passing = asyncio.Event()
        self._passing.set()
        self._connections: set[_Connection] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> int:
        """Listen on a free port of this machine, which is returned."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=CHUNK_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    async def close(self) -> None:
        """Let every connection go, and take no more."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            self.heal()
            while self._serving:  # one that is just connecting is reset when it is there
                self.reset()
                await asyncio.wait(self._serving, timeout=0.05)
            await server.wait_closed()

    @property
    def connections(self) -> int:
        """How many connections pass through now."""
        return len(self._connections)

    def reset(self) -> None:
        """Reset every connection; new ones are taken."""
        for connection in list(self._connections):
            connection.reset()

    def black_hole(self) -> None:
        """Swallow everything, in both directions, until `heal`: connections stay open, new ones are taken.

        What was sent meanwhile arrives when it is over, as TCP would send it again.
        """
        self._passing.clear()

    def heal(self) -> None:
        """Pass everything again."""
        self._passing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.current_task()
        assert serving is not None
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)
        try:
            up_reader, up_writer = await self._connect()
        except OSError:
            _reset(writer)  # too late to refuse it
            return
        connection = _Connection(writer, up_writer)
        self._connections.add(connection)
        # The first side that ends takes the other with it.
        ways = [asyncio.create_task(self._pass(*way)) for way in ((reader, up_writer), (up_reader, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._connections.discard(connection)
            for end in (writer, up_writer):
                end.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = self._target.rpartition(":")
        if self._target.startswith("/"):
            return await asyncio.open_unix_connection(self._target, limit=CHUNK_BYTES)
        return await asyncio.open_connection(host, int(port), limit=CHUNK_BYTES)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one direction of one connection until it ends."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(WAITING_CHUNKS)
        sending = asyncio.create_task(self._send(waiting, writer))
        loop = asyncio.get_running_loop()
        try:
            with contextlib.suppress(OSError):
                while data := await reader.read(CHUNK_BYTES):
                    await waiting.put((loop.time() + self.delay_s, data))
                await waiting.put((loop.time() + self.delay_s, b""))
                await sending
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _send(self, waiting: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await waiting.get()
            if (wait_s := due - loop.time()) > 0:
                await asyncio.sleep(wait_s)
            await self._passing.wait()
            if not data:
                return
            writer.write(data)
            await writer.drain()
