"""`voicechart worker`: workers of some kinds, in a process of their own."""

from __future__ import annotations

from typing import NoReturn

import rich_click as click

from app.cli.running import needs_a_shared_bus, run_to_the_end
from app.settings import AUDIO_KINDS, load_settings
from app.workers import KINDS

__all__ = ["command"]


@click.command(name="worker")
@click.argument("kinds", nargs=-1, required=True, type=click.Choice((*KINDS, *AUDIO_KINDS)), metavar="KIND…")
@click.option("--bus", help="Where the log is: redis://host:port/db, or kafka://host:port.")
@click.option("--knowledge", help="Folder of .md and .txt files to answer from.  [default: about voicechart itself]")
@click.option("--voice", type=click.Choice(["piper", "espeak", "edge"]), help="Voice of tts.  [default: piper]")
@click.option("--language", help="Language of tts.  [default: en]")
@click.option("--model", help="Whisper model of stt.  [default: tiny.en]")
def command(kinds: tuple[str, ...], **flags: object) -> NoReturn:
    """Serve requests of each KIND. Start as many as you like; Ctrl-C ends one.

    KIND is `intent` (what the caller wants), `rag` (the answer, from a folder of documents), and for gateways with
    --remote `tts` (speech) or `stt` (recognition). A request whose worker dies is handed to another.
    """
    settings = load_settings(**flags)
    needs_a_shared_bus(settings, "a worker")
    from app.roles import run_workers

    run_to_the_end(settings, lambda settings: run_workers(settings, list(dict.fromkeys(kinds))))
