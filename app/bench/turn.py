"""How long a caller waits: recorded clips spoken in real time to a running server."""

from __future__ import annotations

import asyncio
import math
import random
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
from app.bench.clips import read_speech
from app.bench.figures import Figures, Machine, figures_of, machine_after, machine_before
from app.bench.stages import Steps, steps_of
from app.caller.call import ANSWER_TIMEOUT_S, Call, open_link
from app.caller.link import CallRefused, ServerUnreachable, Transport, is_loopback, open_http
from app.caller.report import STAGES, CallReport
from app.caller.wav import Speech
from app.replay.call_log import decode_log
from app.task_errors import first_of_ours
from statecharts.events import VoicechartError

__all__ = ["ServerFailed", "TurnBench", "TurnCall", "bench_turn", "figures", "own_server"]

LISTEN_S = 0.5
"""How much of each answer one caller alone listens to, in seconds: its beginning is what is measured."""
WITHIN_S = 4.0
"""Several callers begin within this time, about as long as it takes to ask something."""
PAUSE_S = (0.5, 2.0)
"""Between the end of an answer and the next call of the same caller."""
GAP_S = 0.02
"""Less silence inside an answer than one frame is none."""
READY_TIMEOUT_S = 60.0
"""Longest wait for a server of our own, in seconds; a warm start takes six."""
STOP_TIMEOUT_S = 10.0
_ROOT = Path(__file__).parents[2]


class ServerFailed(VoicechartError):
    """The server started for the benchmark did not become ready."""


class TurnCall(Struct, frozen=True, kw_only=True):
    """One call of the benchmark; stages and steps in seconds from the true end of the speech."""

    transport: Transport
    caller_number: int = 1
    clip: str
    answered: bool
    early: bool = False
    """The answer began before the speech was over: the turn was ended too early, which no latency should gain by."""
    problem: str
    transcript: str
    caller: dict[str, float]
    """On the caller's one clock; `audio_sent` only where server and caller share the machine's clock."""
    server: dict[str, float]
    """The server's own account, `stages` of `GET /sessions/{id}/turns`; empty if it gives none."""
    steps: Steps = {}
    """Where the time went, on the caller's clock; empty where the two do not share one."""
    gaps_s: list[float] = []
    """Silences inside the answer because its next piece was late."""


class TurnBench(Struct, frozen=True, kw_only=True):
    """The whole benchmark."""

    url: str
    machine: Machine
    callers: int = 1
    calls: list[TurnCall]
    caller: dict[Transport, dict[str, Figures]]
    server: dict[Transport, dict[str, Figures]]


async def bench_turn(
    url: str,
    clips: Sequence[Path],
    *,
    transports: Sequence[Transport],
    repeat: int,
    callers: int = 1,
    tell: Callable[[str], None],
) -> TurnBench:
    """Have every caller speak every clip `repeat` times over every transport.

    One caller hears the beginning of each answer. Several at once call as people do: each begins at a time of their
    own, hears the whole answer, and calls again after a pause.

    Raises:
        BadRecording: A clip cannot be spoken; nothing was called yet.
        BadClips: The clips' manifest cannot be used.
        ServerUnreachable: Nobody answers at `url`.
        CallRefused: The server takes no calls.
    """
    speeches = [(clip.name, read_speech(clip)) for clip in clips]
    machine = machine_before()
    done = _Done(len(transports) * callers * repeat * len(speeches), tell)
    for transport in transports:
        with first_of_ours():
            async with asyncio.TaskGroup() as group:
                for number in range(callers):
                    group.create_task(_calls(url, transport, speeches * repeat, number, callers, done))
    kept = {t: [c for c in done.calls if c.transport == t and c.answered and not c.early] for t in transports}
    return TurnBench(
        url=url,
        machine=machine_after(machine),
        callers=callers,
        calls=done.calls,
        caller={t: figures([call.caller for call in kept[t]]) for t in transports},
        server={t: figures([call.server for call in kept[t]]) for t in transports},
    )


class _Done:
    """The calls that are over."""

    def __init__(self, planned: int, tell: Callable[[str], None]) -> None:
        self.calls: list[TurnCall] = []
        self._planned = planned
        self._tell = tell

    def add(self, call: TurnCall) -> None:
        self.calls.append(call)
        outcome = f"first audio after {call.caller['first_audio']:.3f} s" if call.answered else call.problem
        if call.early:
            outcome = "answered before the speech was over"
        self._tell(f"{len(self.calls)}/{self._planned}  {call.transport}  {call.clip}  {outcome}")


async def _calls(
    url: str, transport: Transport, speeches: Sequence[tuple[str, Speech]], number: int, callers: int, done: _Done
) -> None:
    draw = random.Random(number)  # the same callers in every run
    if callers > 1:
        await asyncio.sleep(draw.uniform(0.0, WITHIN_S))
    for index in range(len(speeches)):
        clip, speech = speeches[(number + index) % len(speeches)]
        try:
            done.add(await _one_call(url, transport, clip, speech, number, LISTEN_S if callers == 1 else math.inf))
        except CallRefused as error:
            if callers == 1:
                raise
            done.add(
                TurnCall(
                    transport=transport, caller_number=number + 1, clip=clip, answered=False, problem=str(error),
                    transcript="", caller={}, server={},
                )
            )  # fmt: skip
        if callers > 1:  # real time is what is measured here: people think before they call again
            await asyncio.sleep(draw.uniform(*PAUSE_S))


async def _one_call(
    url: str, transport: Transport, clip: str, speech: Speech, number: int, listen_s: float
) -> TurnCall:
    async with open_link(url, transport) as (session_id, link):
        call = Call(session_id, link, speech, timeout_s=ANSWER_TIMEOUT_S, listen_s=listen_s)
        report = await call.run(lambda _at, _line: None)
    latencies, steps = report.latencies, {}
    received_s = latencies.get("first_audio")
    if received_s is not None and is_loopback(url):
        steps = await _steps(url, report, report.opened_at + speech.end_s, received_s)
        if "voice" in steps:
            latencies = {**latencies, "audio_sent": steps["voice"][1]}
    return TurnCall(
        transport=transport,
        caller_number=number + 1,
        clip=clip,
        answered=report.answered,
        early=received_s is not None and received_s < 0,
        problem=report.problem,
        transcript=report.transcript,
        caller=latencies,
        server=await _server_stages(url, report),
        steps=steps,
        gaps_s=[gap_s for gap_s in report.gaps_s if gap_s > GAP_S],
    )


async def _steps(url: str, report: CallReport, true_end: float, received_s: float) -> Steps:
    async with open_http(url) as http:
        response = await http.get(f"/sessions/{report.session_id}/log")
    if not response.is_success:
        return {}
    return steps_of(decode_log(response.content, report.session_id), true_end, received_s)


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
async def own_server(tell: Callable[[str], None], data: Path | None = None) -> AsyncIterator[str]:
    """Run a server of our own on a free port; yields its URL once it is ready.

    Args:
        tell: Takes lines for people.
        data: Its data folder, to be found empty; by default a temporary one.

    Raises:
        ServerFailed: It ended, or was not ready in time; the message holds the end of what it said.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="voicechart-bench-") as folder:
        log = Path(folder) / "server.log"
        with log.open("wb") as output:
            kept_in = data or Path(folder) / "data"
            serve = [sys.executable, "-m", "app", "serve", "--port", str(port), "--data", str(kept_in)]
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
