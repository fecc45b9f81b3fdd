"""`voicechart call`: be a caller."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import msgspec
import rich_click as click
from rich.console import Console

from app.caller.call import ANSWER_TIMEOUT_S, Call, open_link
from app.caller.link import Transport
from app.caller.report import CallReport, render
from app.caller.wav import BadRecording, Speech, read_wav, write_wav
from app.cli.address import url_option
from statecharts.events import VoicechartError

__all__ = ["command"]


@click.command(name="call")
@click.argument("file", type=click.Path(path_type=Path))
@url_option
@click.option(
    "--transport",
    type=click.Choice(["webrtc", "ws"]),
    default="webrtc",
    show_default=True,
    help="How the audio travels: WebRTC as from the talk page, or PCM on the WebSocket.",
)
@click.option("--save", type=click.Path(path_type=Path, dir_okay=False), help="Write what was heard to a WAV file.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=ANSWER_TIMEOUT_S,
    show_default=True,
    help="Seconds without an answer after which the caller hangs up.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def command(file: Path, url: str, transport: Transport, save: Path | None, timeout: float, as_json: bool) -> None:
    """Speak FILE, a WAV recording, in real time; print transcript, answer, states and latencies.

    What is said back is played on a clock without a loudspeaker and reported to the server as any client does.
    Exit code 1 if there was no answer, 2 if FILE cannot be spoken.
    """
    try:
        speech = read_wav(file)
    except BadRecording as error:
        raise click.BadParameter(str(error), param_hint="FILE") from error
    if save is not None and not save.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {save.parent} to write {save.name} into", param_hint="--save")
    try:
        report = asyncio.run(_call(speech, url, transport, save, timeout))
    except VoicechartError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(msgspec.json.encode(report))
    else:
        Console().print(render(report))
    if not report.answered:
        raise click.ClickException(f"not answered: {report.problem}")


async def _call(speech: Speech, url: str, transport: Transport, save: Path | None, timeout_s: float) -> CallReport:
    progress = Console(stderr=True, highlight=False, markup=False)
    progress.print(f"calling {url} over {transport}, {speech.duration_s:.1f} s to say", style="dim")
    async with open_link(url, transport) as (session_id, link):
        call = Call(session_id, link, speech, timeout_s=timeout_s, listen_s=math.inf)
        report = await call.run(lambda at, line: progress.print(f"{at:6.2f}  {line}", style="dim", soft_wrap=True))
        if save is not None:
            sound, rate_hz = link.player.heard.render(call.minutes.started_at, asyncio.get_running_loop().time())
            write_wav(save, sound, rate_hz)
            progress.print(f"what was heard: {save}", style="dim")
    return report
