"""`voicechart doctor`: is everything there that a call needs?"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
import rich_click as click
from msgspec import Struct
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from app.settings import Settings, load_settings
from statecharts.events import VoicechartError

__all__ = ["command"]


class Finding(Struct):
    """One thing that was looked at."""

    name: str
    ok: bool
    needed: bool
    found: str
    advice: str = ""


@click.command(name="doctor")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list and nothing else.")
def command(as_json: bool) -> int:
    """Look at Python, models, event log, drawings, folders and port. Exit code 1 if something needed is missing."""
    settings = load_settings()
    checks: list[tuple[str, bool, Callable[[Settings], str]]] = [
        ("Python", True, _python),
        ("voice detector", True, _detector),
        ("recogniser", True, _recogniser),
        ("voice espeak", True, _espeak),
        ("voice piper", False, _piper),  # espeak speaks where it is missing
        ("knowledge", True, _knowledge),
        ("event log", True, _bus),
        ("data folder", not settings.bus, _data),
        ("port", True, _port),
        ("diagrams", False, _diagrams),
        ("browser for the tests", False, _browser),
    ]
    findings = []
    for name, needed, check in checks:
        if not as_json:
            click.echo(f"looking at {name} ...", err=True)
        findings.append(_look(name, needed, check, settings))
    if as_json:
        click.echo(msgspec.json.encode(findings))
    else:
        _print(findings)
    return 1 if any(finding.needed and not finding.ok for finding in findings) else 0


def _look(name: str, needed: bool, check: Callable[[Settings], str], settings: Settings) -> Finding:
    try:
        return Finding(name, True, needed, check(settings))
    except VoicechartError as error:
        found, _, advice = str(error).partition(". ")
        return Finding(name, False, needed, found, advice)
    except ImportError as error:
        return Finding(name, False, needed, str(error), f"Install {error.name or 'what is missing'}.")
    except OSError as error:
        return Finding(name, False, needed, str(error))


def _print(findings: list[Finding]) -> None:
    table = Table("", "what", Column("found", overflow="fold"), Column("advice", overflow="fold"))
    for finding in findings:
        mark = "[green]ok" if finding.ok else "[red]missing" if finding.needed else "[yellow]optional"
        table.add_row(mark, finding.name, Text(finding.found), Text(finding.advice))
    Console().print(table)


def _python(_: Settings) -> str:
    return f"{sys.version.split()[0]} at {sys.executable}"


def _detector(_: Settings) -> str:
    from app.wiring_models import SileroDetector

    stream = SileroDetector().stream()
    return f"Silero answers {stream.probability(bytes(1024)):.2f} to silence"


def _recogniser(settings: Settings) -> str:
    from app.wiring_models import WhisperRecogniser

    WhisperRecogniser(settings.model).close()
    return f"Whisper {settings.model} loads"


def _espeak(_: Settings) -> str:
    from app.wiring_models import EspeakVoice

    EspeakVoice().close()
    return "espeak-ng speaks"


def _piper(_: Settings) -> str:
    from app.wiring_models import PiperVoice

    PiperVoice().close()
    return "Piper speaks"


def _knowledge(settings: Settings) -> str:
    from app.wiring import open_answerer

    return f"{open_answerer(settings).name} in {settings.knowledge}"


def _bus(settings: Settings) -> str:
    from app.wiring import open_bus

    async def reach(wanted: Settings) -> str:
        async with open_bus(wanted) as bus:
            await bus.ping()
            return f"{bus.partitions} partitions"

    if settings.bus:
        return f"{settings.bus_shown} answers, {asyncio.run(reach(settings))}"
    with tempfile.TemporaryDirectory() as folder:
        return f"our own server starts, {asyncio.run(reach(settings.model_copy(update={'data': Path(folder)})))}"


def _data(settings: Settings) -> str:
    folder = Path(settings.data)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            free_gb = shutil.disk_usage(folder).free / 1e9
    except OSError as error:
        raise VoicechartError(f"{folder} cannot be written: {error.strerror}. Pass --data with another.") from error
    return f"{folder} can be written, {free_gb:.0f} GB free"


def _port(settings: Settings) -> str:
    address = (settings.host, settings.port)
    family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
    try:
        with socket.create_server(address, family=family):
            return f"{settings.host}:{settings.port} is free"
    except OSError as error:
        if _is_ours(settings):
            return f"a voicechart server runs on {settings.host}:{settings.port}"
        raise VoicechartError(
            f"{settings.host}:{settings.port} cannot be had: {os.strerror(error.errno or 0)}. "
            "Stop what uses it, or pass --port with another."
        ) from error


def _is_ours(settings: Settings) -> bool:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        told = httpx.get(f"http://{host}:{settings.port}/health/live", timeout=1.0, trust_env=False)
    except httpx.HTTPError:
        return False
    return told.status_code == httpx.codes.OK and told.content == b'{"status":"live"}'


def _diagrams(_: Settings) -> str:
    from diagrams.render import render

    return f"an SVG of {len(render('svg')) // 1024} KiB was drawn"


def _browser(_: Settings) -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    raise VoicechartError("no Chromium on PATH. The browser tests are skipped without it.")
