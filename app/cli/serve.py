"""`voicechart serve`: the server."""

from __future__ import annotations

import ipaddress
import os
from functools import partial
from typing import NoReturn

import rich_click as click

from app.cli.running import run_to_the_end
from app.server.listener import Seat
from app.settings import load_settings

__all__ = ["command"]


@click.command(name="serve")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on.  [default: 8000]")
@click.option("--bus", help="Where the log is: redis://host:port/db, or kafka://host:port.  [default: its own]")
@click.option("--roles", help="Some of gateway,orchestrator,workers.  [default: all]")
@click.option("--processes", type=int, help="Serve in so many processes, each started again if it dies.")
@click.option("--knowledge", help="Folder of .md and .txt files to answer from.  [default: about voicechart itself]")
@click.option("--data", help="Folder of the own event log.  [default: .voicechart here]")
@click.option("--voice", type=click.Choice(["piper", "espeak", "edge"]), help="Voice to speak with.  [default: piper]")
@click.option("--dialogue", help="File of what it says of its own accord.  [default: the one that comes with it]")
@click.option("--language", help="Language it says that in.  [default: en]")
@click.option("--model", help="Whisper model to recognise with.  [default: tiny.en]")
@click.option("--remote", help="Some of tts,stt: ask workers for these instead of loading their models.")
@click.option("--insecure", is_flag=True, default=None, help="Listen to other machines though nobody signs in.")
def command(**flags: object) -> NoReturn:
    """Serve voice sessions; prints the address to open. Ctrl-C ends it."""
    settings = load_settings(**flags)
    if not _is_loopback(settings.host) and not settings.insecure:
        raise click.UsageError(
            f"--host {settings.host} lets other machines in, and nobody has to sign in yet. "
            "Pass --insecure if that is what you want, or leave --host out."
        )
    seat = Seat.told(os.environ)
    if settings.processes and seat is None:
        if settings.bus.startswith("memory:"):
            raise click.UsageError("--processes share a log, and a memory:// bus lives in one process alone.")
        from app.supervisor import supervise

        run_to_the_end(settings, supervise)
    from app.server.serving import serve

    run_to_the_end(settings, partial(serve, seat=seat))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
