"""How long a caller waits: recorded clips spoken in real time to a running server."""

from __future__ import annotations

import asyncio
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec
from msgspec import Struct

from adapters.guardian import guarded
from app.bench.figures import Figures, Machine, figures_of, machine_after, machine_before
from app.caller.call import ANSWER_TIMEOUT_S, Call, open_link
from app.caller.link import ServerUnreachable, Transport, open_http
from app.caller.report import STAGES, CallReport
from app.caller.wav import Speech, read_wav
from statecharts.events import VoicechartError

__all__ = ["ServerFailed", "TurnBench", "TurnCall", "bench_turn", "figures", "own_server"]

LISTEN_S = 0.5
"""How much of each answer is listened to, in seconds: its beginning is what is measured."""
READY_TIMEOUT_S = 60.0
"""Longest wait for a server of our own, in seconds; a warm start takes six."""
STOP_TIMEOUT_S = 10.0
_ROOT = Path(__file__).parents[2]


class ServerFailed(VoicechartError):
    """The server started for the benchmark did not become ready."""


class TurnCall(Struct, frozen=True, kw_only=True):
    """One call of the benchmark; stages in seconds from the true end of the speech."""

    transport: Transport
    clip: str
    answered: bool
    problem: str
    transcript: str
    caller: dict[str, float]
    """On the caller's one clock."""
    server: dict[str, float]
    """The server's own account, `stages` of `GET /sessions/{id}/turns`; empty if it gives none."""


class TurnBench(Struct, frozen=True, kw_only=True):
    """The whole benchmark."""

    url: str
    machine: Machine
    calls: list[TurnCall]
    caller: dict[Transport, dict[str, Figures]]
    server: dict[Transport, dict[str, Figures]]


async def bench_turn(
    url: str,
    clips: Sequence[Path],
    *,
    transports: Sequence[Transport],
    repeat: int,
    tell: Callable[[str], None],
) -> TurnBench:
    """Speak every clip `repeat` times over every transport, one call after the other.

    Raises:
        BadRecording: A clip cannot be spoken; nothing was called yet.
        ServerUnreachable: Nobody answers at `url`.
        CallRefused: The server takes no calls.
    """
    speeches = [(clip.name, read_wav(clip)) for clip in clips]
    machine = machine_before()
    plan = [(transport, *speech) for _ in range(repeat) for transport in transports for speech in speeches]
    calls: list[TurnCall] = []
    for number, (transport, name, speech) in enumerate(plan, 1):
        call = await _one_call(url, transport, name, speech)
        calls.append(call)
        outcome = f"first audio after {call.caller['first_audio']:.3f} s" if call.answered else call.problem
        tell(f"{number}/{len(plan)}  {transport}  {name}  {outcome}")
    return TurnBench(
        url=url,
        machine=machine_after(machine),
        calls=calls,
        caller={t: figures([c.caller for c in calls if c.transport == t and c.answered]) for t in transports},
        server={t: figures([c.server for c in calls if c.transport == t and c.answered]) for t in transports},
    )


async def _one_call(url: str, transport: Transport, clip: str, speech: Speech) -> TurnCall:
    async with open_link(url, transport) as (session_id, link):
        call = Call(session_id, link, speech, timeout_s=ANSWER_TIMEOUT_S, listen_s=LISTEN_S)
        report = await call.run(lambda _at, _line: None)
    return TurnCall(
        transport=transport,
        clip=clip,
        answered=report.answered,
        problem=report.problem,
        transcript=report.transcript,
        caller=report.latencies,
        server=await _server_stages(url, report),
    )


class _Turn(Struct):
    turn: int
    withdrawn: bool = False
    stages: dict[str, float | None] = {}


async def _server_stages(url: str, report: CallReport) -> dict[str, float]:
    async with open_http(url) as http:
        response = await http.get(f"/sessions/{report.session_id}/turns")
    if not response.is_success:
        return {}
    turns = [turn for turn in msgspec.json.decode(response.content, type=list[_Turn]) if not turn.withdrawn]
    stages = max(turns, key=lambda turn: turn.turn).stages if turns else {}
    return {name: seconds for name, seconds in stages.items() if seconds is not None}


def figures(calls: Sequence[dict[str, float]]) -> dict[str, Figures]:
    """Return median and 95th percentile (nearest rank) of every stage that any call reached, in order of `STAGES`."""
    reached = {name for call in calls for name in call}
    names = [name for name in STAGES if name in reached] + sorted(reached - STAGES.keys())
    columns = {name: [call[name] for call in calls if name in call] for name in names}
    return {name: figures_of(values) for name, values in columns.items()}


@asynccontextmanager
async def own_server(tell: Callable[[str], None]) -> AsyncIterator[str]:
    """Run a server of our own on a free port with an empty data folder; yields its URL once it is ready.

    Raises:
        ServerFailed: It ended, or was not ready in time; the message holds the end of what it said.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="voicechart-bench-") as folder:
        log = Path(folder) / "server.log"
        with log.open("wb") as output:
            serve = [sys.executable, "-m", "app", "serve", "--port", str(port), "--data", str(Path(folder) / "data")]
            process = await asyncio.create_subprocess_exec(
                *guarded([*serve, "--bus", ""]),
                cwd=_ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the benchmark, which then stops the server itself
            )
        tell(f"starting a server of our own on port {port}")
        try:
            url = f"http://127.0.0.1:{port}"
            await _ready(url, process, log)
            yield url
        finally:
            await _stop(process)


async def _ready(url: str, process: asyncio.subprocess.Process, log: Path) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + READY_TIMEOUT_S
    while process.returncode is None and loop.time() < deadline:
        if await _is_ready(url):
            return
        # Readiness can only be asked for; the end of the process cuts the wait short.
        try:
            await asyncio.wait_for(process.wait(), 0.1)
        except TimeoutError:
            continue
    what = "was not ready in time" if process.returncode is None else f"ended with exit code {process.returncode}"
    raise ServerFailed(f"the server started for the benchmark {what}. It said:\n{_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-1500:].strip() or "(nothing)"


async def _is_ready(url: str) -> bool:
    try:
        async with open_http(url) as http:
            return (await http.get("/health/ready")).status_code == httpx.codes.OK
    except ServerUnreachable:
        return False


async def _stop(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
