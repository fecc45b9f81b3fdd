"""A gate before a server: shut it, and for a page the server is gone; open it, and it is back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from urllib.parse import urlsplit

__all__ = ["Gate"]

_PIECE_BYTES = 65536
_PATIENCE_S = 5.0


class Gate:
    """Forwards TCP connections to the server at `url` while it is open; a thread of its own does the work."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._target_port = parts.hostname or "127.0.0.1", parts.port or 80
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Gate:
        self._thread.start()
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE_S)
        self._loop.close()

    def open(self) -> None:
        """Take connections, on the same port as before."""
        self._do(self._open())

    def shut(self) -> None:
        """Refuse new connections and break the ones there are."""
        self._do(self._shut())

    def _do(self, work: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE_S)

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        carrying = asyncio.all_tasks() - {asyncio.current_task()}
        if carrying:
            await asyncio.wait(carrying, timeout=_PATIENCE_S)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._host, self._target_port)
        self._writers |= {writer, far_writer}
        async with asyncio.TaskGroup() as both:
            both.create_task(self._pump(reader, far_writer))
            both.create_task(self._pump(far_reader, writer))
        self._writers -= {writer, far_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(_PIECE_BYTES):
                writer.write(piece)
                await writer.drain()
        except ConnectionError:
            return  # shut, or one side went away: the other pump ends by the close below
        finally:
            writer.close()
