"""`voicechart bench bus`: what the event log carries, beside what others make of the same server."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
import rich_click as click
from rich.console import Group
from rich.table import Table
from rich.text import Text

from app.bench.bus import GOALS, RATES_HZ, FlatOut, Offered, Servers, bench_flat_out, bench_offered
from app.bench.bus_peers import FASTSTREAM_MISSING, Peer, bench_faststream, bench_guide
from app.bench.figures import machine_after, machine_before
from app.cli.bench_tables import progress, table_console
from app.collector import calm_collector

__all__ = ["bus"]

PEERS_EVENTS = 5_000
"""Facts sent the ways of others: enough for a second."""


class BusBench(msgspec.Struct, frozen=True, kw_only=True):
    """All of one run."""

    where: str
    partitions: int
    goals: dict[str, float]
    flat_out: FlatOut
    offered: list[Offered]
    peers: list[Peer]
    without: str
    """Why a peer is missing; empty if none is."""


@click.command()
@click.option("--events", type=click.IntRange(min=100), default=40_000, show_default=True, help="Facts flat out.")
@click.option(
    "--rate", "rates", type=click.FloatRange(min=1), multiple=True,
    help="Facts a second to offer; may be given again.  [default: 1,000, 10,000 and 20,000]",
)  # fmt: skip
@click.option("--seconds", type=click.FloatRange(min=0.1), default=3.0, show_default=True, help="How long to offer.")
@click.option("--bus", "address", help="Redis-compatible server.  [default: one of its own, in a temporary folder]")
@click.option("--cluster", is_flag=True, help="On three nodes of its own.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def bus(
    events: int, rates: tuple[float, ...], seconds: float, address: str | None, cluster: bool, as_json: bool
) -> None:
    """Send facts through the event log: published, committed with state and journal, and heard by a gateway.

    First as fast as it goes, for throughput and cost; then at steady rates, for latency. Publisher, owner and gateway
    share this process, and its CPU time is that of all three.
    """
    if address and cluster:
        raise click.UsageError("--cluster brings nodes of its own; a cluster of yours is --bus redis+cluster://...")
    machine = machine_before()
    with tempfile.TemporaryDirectory() as folder:
        calm_collector()  # as a server does
        found = asyncio.run(_measure(address or "", Path(folder), cluster, events, rates or RATES_HZ, seconds))
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    where = Text(f"{machine_after(machine)}\n{found.where}, {found.partitions} partitions")
    told: list[Text | Table] = [where, Text(), _flat_out(found.flat_out), Text(), _offered(found.offered)]
    if found.peers:
        told += [Text(), _peers(found)]
    if found.without:
        told += [Text(f"FastStream is {found.without}")]
    table_console().print(Group(*told))


async def _measure(
    address: str, folder: Path, cluster: bool, events: int, rates: Sequence[float], seconds: float
) -> BusBench:
    from app.wiring import open_measured_log

    tell = progress().print
    async with open_measured_log(address, folder, cluster=cluster) as (bus, servers, url):
        if not address:
            await servers.write_to_disk(True)
        tell(f"{events} facts as fast as they go ...")
        flat_out = await bench_flat_out(bus, servers, events=events, tidy=bool(address))
        offered = []
        for rate in rates:
            for on_disk in (None,) if address else (True, False):
                await _prepare(servers, on_disk)
                tell(f"{rate:,.0f} facts a second for {seconds:g} s ...")
                offered.append(await bench_offered(bus, servers, rate, seconds=seconds, tidy=bool(address)))
        await _prepare(servers, None if address else True)
        tell("the ways of others ..." if url else "the ways of others know no cluster: left out")
        peers = [await bench_guide(url, PEERS_EVENTS), await bench_faststream(url, PEERS_EVENTS)] if url else []
        return BusBench(
            where="three nodes of its own" if cluster else "its own server" if not address else "the server named",
            partitions=bus.partitions, goals=GOALS, flat_out=flat_out, offered=offered,
            peers=[peer for peer in peers if peer is not None], without=FASTSTREAM_MISSING if None in peers else "",
        )  # fmt: skip


async def _prepare(servers: Servers, on_disk: bool | None) -> None:
    """Begin with nothing, with a disk or without; None leaves somebody else's server as it is."""
    if on_disk is not None:
        await servers.empty()
        await servers.write_to_disk(on_disk)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if place else "left")
    return table


def _flat_out(found: FlatOut) -> Table:
    table = _table(f"flat out, {found.events:,} facts, on disk", "", "goal")
    table.add_row("committed and heard a second", f"{found.events_per_s:,}", f"{GOALS['events_per_s']:,}")
    table.add_row("CPU for each, ours: publisher, owner, gateway", _us(found.client_us), _us(GOALS["client_us"]))
    table.add_row("CPU for each, the server's", _us(found.server_us), "")
    return table


def _offered(found: Sequence[Offered]) -> Table:
    table = _table(
        "offered a second", "reached", "committed: p50", "p95", "p99", "goal", "heard: p50", "p95", "p99", "ours",
        "server's",
    )  # fmt: skip
    for one in found:
        table.add_row(
            f"{one.rate_hz:,.0f}, {'on disk' if one.on_disk else 'in memory'}", f"{one.reached_hz:,}",
            _ms(one.committed_p50_ms), _ms(one.committed_p95_ms), _ms(one.committed_p99_ms), _ms(GOALS["p99_ms"]),
            _ms(one.heard_p50_ms), _ms(one.heard_p95_ms), _ms(one.heard_p99_ms), _us(one.client_us),
            _us(one.server_us),
        )  # fmt: skip
    return table


def _peers(found: BusBench) -> Table:
    table = _table("one by one, the same server", "published a second", "taken a second", "CPU for each")
    ours = found.flat_out
    table.add_row("voicechart, flat out, with commit and command", f"{ours.events_per_s:,}", f"{ours.events_per_s:,}",
                  _us(ours.client_us))  # fmt: skip
    for peer in found.peers:
        table.add_row(peer.name, f"{peer.published_per_s:,}", f"{peer.taken_per_s:,}", _us(peer.client_us))
    return table


def _us(microseconds: float) -> str:
    return f"{microseconds:,.1f} us"


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:,.1f} ms"
