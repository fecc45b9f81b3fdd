"""Redis slow, frozen, cut off, killed, out of memory or disk: calls fail fast, and all is made up for afterwards."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapters.bus.redis_link import Link
from adapters.bus.redis_streams import RedisStreamsBus
from app.chaos.fault_proxy import FaultProxy
from app.runtime import Parts, Runtime
from statecharts.phrases import Phrases
from statecharts.policy import Policy
from tests.faults.servers import Server
from tests.faults.traffic import Traffic, until

LASTS_S = 1.0
"""How long a fault lasts: past every lease."""
AT_ONCE_S = 0.9
"""Longest call that was given up after 0.3 s, on a machine with much else to do; client defaults are 5 s and more."""


class Site:
    """A server and the way to it, either of which may fail."""

    def __init__(self, server: Server, proxy: FaultProxy) -> None:
        self.server = server
        self.proxy = proxy

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.proxy.port}"

    @asynccontextmanager
    async def frozen(self) -> AsyncIterator[None]:
        with self.server.frozen():
            yield

    @asynccontextmanager
    async def killed(self) -> AsyncIterator[None]:
        await asyncio.to_thread(self.server.kill)
        yield
        await asyncio.to_thread(self.server.start)

    @asynccontextmanager
    async def cut_off(self) -> AsyncIterator[None]:
        self.proxy.black_hole()
        yield
        self.proxy.reset()  # what was on its way is lost
        self.proxy.heal()

    @asynccontextmanager
    async def slow(self) -> AsyncIterator[None]:
        self.proxy.delay_s = 0.5
        yield
        self.proxy.delay_s = 0.0

    @asynccontextmanager
    async def out_of_memory(self) -> AsyncIterator[None]:
        admin = Link(self.server.url)
        await admin.call("CONFIG", "SET", "maxmemory", "1mb")  # less than it has
        yield
        await admin.call("CONFIG", "SET", "maxmemory", "0")
        await admin.close()

    @asynccontextmanager
    async def out_of_disk(self) -> AsyncIterator[None]:
        filler = str(self.server.data / "filler")
        await inside(self.server, "dd", "if=/dev/zero", f"of={filler}", "bs=64k")
        yield
        await inside(self.server, "rm", filler)


FAULTS: dict[str, Callable[[Site], AbstractAsyncContextManager[None]]] = {
    "frozen": Site.frozen, "killed": Site.killed, "cut off": Site.cut_off, "slow": Site.slow,
    "out of memory": Site.out_of_memory, "out of disk": Site.out_of_disk,
}  # fmt: skip


async def inside(server: Server, *command: str) -> None:
    """Run something on the disk that this server alone sees."""
    running = await asyncio.create_subprocess_exec(
        "nsenter", "-t", str(server.pid), "-m", *command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    await running.wait()  # dd ends with an error: the disk is full


def disk_of_its_own(folder: Path) -> tuple[str, ...]:
    """Return what gives a server a small disk that nobody else sees.

    A test is skipped where that is not allowed.
    """
    unshare, shell = shutil.which("unshare"), shutil.which("sh")
    if unshare is None or shell is None or shutil.which("nsenter") is None:
        pytest.skip("a disk that fills up needs unshare and nsenter")
    if subprocess.run([unshare, "-m", "true"], check=False, capture_output=True).returncode:
        pytest.skip("a disk that fills up needs the right to mount one (unshare -m)")
    return unshare, "-m", shell, "-c", f'mount -t tmpfs -o size=4m tmpfs {folder} && exec "$@"', shell


@pytest.fixture
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    folder = tmp_path / "server"
    disk = disk_of_its_own(folder / "data") if "out of disk" in request.node.name else ()
    made = Server(folder, "--appendonly", "yes", "--appendfsync", "everysec", before=disk)
    made.start()
    yield made
    made.stop()


@pytest.fixture
async def site(server: Server) -> AsyncIterator[Site]:
    proxy = FaultProxy(f"127.0.0.1:{server.port}")
    await proxy.start()
    yield Site(server, proxy)
    await proxy.close()


@pytest.fixture
async def bus(site: Site) -> AsyncIterator[RedisStreamsBus]:
    made = RedisStreamsBus(site.url, min_idle_s=1.0)
    await made.start()
    yield made
    await made.close()


ROWS = {"frozen": 2, "killed": 1, "cut off": 3, "slow": 5, "out of memory": 9, "out of disk": 8}
"""Of docs/faults.md."""


@pytest.mark.parametrize("fault", [pytest.param(name, marks=pytest.mark.fault(ROWS[name])) for name in FAULTS])
async def test_calls_fail_fast_and_all_is_made_up_for_afterwards(
    bus: RedisStreamsBus, site: Site, fault: str, measured: Callable[[str], None]
) -> None:
    traffic = Traffic(bus)
    runtime = Runtime(bus=bus, roles=(), mirrored=False, retention_s=60.0, parts=Parts(Policy(), Phrases()))
    with capture_logs() as logs:
        async with traffic.running():
            await traffic.goes_on()
            async with FAULTS[fault](site):
                await until(lambda: traffic.failing)
                began = time.monotonic()
                missing = await runtime.missing()
                assert time.monotonic() - began < AT_ONCE_S
                assert missing
                assert "Redis" in missing[0]
                await asyncio.sleep(LASTS_S)
                assert traffic.failing
            await traffic.goes_on()
            await until(lambda: any(line["event"] == "bus_back" for line in logs))
        await traffic.check()
    assert max(traffic.calls_s) < AT_ONCE_S
    assert [line["event"] for line in logs if line["event"].startswith("bus_")] == ["bus_away", "bus_back"]
    measured(f"{fault}: no call took longer than {max(traffic.calls_s):.2f} s; nothing lost or doubled")


@pytest.mark.fault(4)
async def test_connections_that_are_reset_are_made_again_at_once(
    bus: RedisStreamsBus, site: Site, measured: Callable[[str], None]
) -> None:
    traffic = Traffic(bus)
    async with traffic.running():
        for _ in range(5):
            await traffic.goes_on(20)
            site.proxy.reset()
        await traffic.goes_on(20)
    await traffic.check()
    assert max(traffic.waits_s, default=0.0) < AT_ONCE_S
    measured(f"five resets, the longest wait {max(traffic.waits_s, default=0.0):.2f} s")


@pytest.mark.fault(5)
async def test_a_server_far_away_is_late_and_nothing_else(bus: RedisStreamsBus, site: Site) -> None:
    site.proxy.delay_s = 0.025  # 50 ms there and back
    traffic = Traffic(bus)
    with capture_logs() as logs:
        async with traffic.running():
            await traffic.goes_on(20)
            site.proxy.delay_s = 0.0
    await traffic.check()
    assert not traffic.waits_s
    assert not [line for line in logs if line["event"].startswith("bus_")]


async def test_a_server_busy_with_a_script_is_told_apart(bus: RedisStreamsBus, site: Site) -> None:
    admin, stopper = Link(site.server.url, blocking=True), Link(site.server.url)
    await admin.call("CONFIG", "SET", "busy-reply-threshold", "100")
    endless = asyncio.create_task(admin.call("EVAL", "while true do end", 0))
    runtime = Runtime(bus=bus, roles=(), mirrored=False, retention_s=60.0, parts=Parts(Policy(), Phrases()))
    try:
        async with asyncio.timeout(10.0):
            while "BUSY" not in (await runtime.missing() or [""])[0]:
                await asyncio.sleep(0.05)
    finally:
        await stopper.call("SCRIPT", "KILL")
    await asyncio.gather(endless, return_exceptions=True)
    await bus.ping()
    await admin.close()
    await stopper.close()
