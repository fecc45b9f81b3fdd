"""The proxy does to a connection what it is asked to do, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.chaos.fault_proxy import FaultProxy

WITHIN_S = 5.0


@pytest.fixture
async def proxy() -> AsyncIterator[FaultProxy]:
    """A proxy before a server that says everything back."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    made = FaultProxy(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    await made.start()
    yield made
    await made.close()
    server.close()
    await server.wait_closed()


async def said_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> float:
    """Say something and return how many seconds it took to come back."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    writer.write(data)
    async with asyncio.timeout(WITHIN_S):
        assert await reader.readexactly(len(data)) == data
    return loop.time() - began


async def test_it_passes_every_byte_in_order(proxy: FaultProxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    await said_back(reader, writer, bytes(range(256)) * 4000)
    writer.close()


async def test_a_delay_is_had_each_way_however_much_is_said(proxy: FaultProxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    proxy.delay_s = 0.1
    took_s = await said_back(reader, writer, b"x")
    assert 0.2 <= took_s < 1.0
    proxy.delay_s = 0.0
    assert await said_back(reader, writer, b"y") < 0.2
    writer.close()


async def test_a_black_hole_holds_everything_and_lets_it_go_when_it_is_over(proxy: FaultProxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    await said_back(reader, writer, b"before")
    proxy.black_hole()
    writer.write(b"held")
    late_reader, late_writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    late_writer.write(b"late")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.3)
    proxy.heal()
    async with asyncio.timeout(WITHIN_S):
        assert await reader.readexactly(4) == b"held"
        assert await late_reader.readexactly(4) == b"late"
    for end in (writer, late_writer):
        end.close()


async def test_a_reset_ends_every_connection_and_new_ones_pass(proxy: FaultProxy) -> None:
    made = [await asyncio.open_connection("127.0.0.1", proxy.port) for _ in range(3)]
    for reader, writer in made:
        await said_back(reader, writer, b"there")
    assert proxy.connections == 3
    proxy.reset()
    for reader, writer in made:
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(1), WITHIN_S)
        writer.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    await said_back(reader, writer, b"again")
    assert proxy.connections == 1
    writer.close()


async def test_a_server_that_is_not_there_is_not_there_behind_the_proxy_either(tmp_path: Path) -> None:
    proxy = FaultProxy(str(tmp_path / "nobody.sock"))
    port = await proxy.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(1), WITHIN_S)
    writer.close()
    await proxy.close()
