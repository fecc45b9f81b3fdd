"""One interruption: ask a question, speak over the answer, and time what comes of it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from app.bench.word_errors import words_of
from app.caller.call import open_link
from app.caller.link import Transport, open_http
from app.caller.live_caller import LiveCaller, NothingCame, live_caller
from app.caller.messages import FinalTranscript, MarkMessage, ServerMessage, TtsChunk, TypedText
from app.caller.wav import MIC_RATE_HZ, speech_end_s, speech_start_s

__all__ = ["Interruption", "Sound", "interrupt"]

QUESTION = "tell me about thinking"
"""Its answer lasts some 15 s."""
SHORT_QUESTION = "what is barge-in"
"""Its answer lasts some 4 s: it is heard to its end, to see that nothing of it was lost."""
LISTEN_S = 1.2
"""How much of the answer is listened to first: more than the time in which a turn is taken back."""
FAST_S = 3.0
"""Longest wait for what should come within a second."""
TURN_S = 6.0
"""Longest wait for the answer to what was said over the last one."""
END_S = 25.0
"""Longest wait for the end of an answer."""
PADDING_S = 0.0265
"""Silence with which the last packet of an answer may be filled: a packet, and what the encoder looks ahead."""
SHIFT = 0.618
"""By how much of a detector's chunk the next sound is shifted against the chunks: the golden section spreads few of
them evenly."""
_CHUNK_S = 0.032


class Sound(Struct, frozen=True):
    """What is made over an answer; without words it should change nothing."""

    name: str
    pcm: bytes
    """s16le mono, 16 kHz."""
    words: str


class Interruption(Struct, frozen=True, kw_only=True):
    """One sound over one answer. Times are in seconds, on the caller's clock."""

    transport: Transport
    sound: str
    words: str
    log_stopped: bool
    """The event log's server stood still meanwhile."""
    outcome: str
    """What became of the answer: `stopped` or `resumed`; `not answered`, `not noticed` or `undecided`."""
    times: dict[str, float]
    heard_as: str = ""
    """The words of the new turn."""
    first_word_kept: bool | None = None
    """Whether they begin with the first word said; None if no turn was meant, or none came."""


async def interrupt(url: str, transport: Transport, sound: Sound, number: int, pid_file: Path | None) -> Interruption:
    """Make one call.

    Args:
        url: The server.
        transport: How the audio travels.
        sound: What is said over the answer.
        number: Tells by how much it is shifted against the detector's chunks.
        pid_file: Where the number of the event log's server is found, if it is to stand still meanwhile.
    """
    async with open_link(url, transport) as (session_id, link), live_caller(session_id, link) as caller:
        call = _Call(url, caller, sound, number)
        outcome = "not answered"
        try:
            await call.ask(QUESTION if sound.words else SHORT_QUESTION)
            if pid_file is not None:
                with _stopped(pid_file):
                    outcome = await call.duck("ducked, log stopped")
            elif sound.words:
                outcome = await call.speak_over()
            else:
                outcome = await call.make_noise()
        except NothingCame:
            outcome = "undecided" if "ducked" in call.times else "not noticed" if call.spoke else outcome
        return Interruption(
            transport=transport,
            sound=sound.name,
            words=sound.words,
            log_stopped=pid_file is not None,
            outcome=outcome,
            times=call.times,
            heard_as=call.heard_as,
            first_word_kept=call.first_word_kept,
        )


class _Call:
    """One question and what is made over its answer."""

    def __init__(self, url: str, caller: LiveCaller, sound: Sound, number: int) -> None:
        self.times: dict[str, float] = {}
        self.heard_as = ""
        self.first_word_kept: bool | None = None
        self._url = url
        self._caller = caller
        self._sound = sound
        self._shift_s = number * SHIFT % 1 * _CHUNK_S
        self.spoke = False
        self._said_at = self._began = 0.0

    async def ask(self, question: str) -> None:
        """Ask by keyboard, and listen to the answer's beginning."""
        await self._caller.link.send(TypedText(question))
        begun = await self._caller.state("SPEAKING")
        loop = asyncio.get_running_loop()
        await asyncio.sleep(begun + LISTEN_S - loop.time())

    async def duck(self, name: str = "ducked") -> str:
        """Begin to speak; time the duck from the first sample that is not silence."""
        self._said_at = await self._caller.say(self._sound.pcm, after_s=self._shift_s)
        self.spoke = True
        self._began = self._said_at + speech_start_s(self._sound.pcm, MIC_RATE_HZ)
        self.times[name] = await self._caller.order("duck", since=self._began - _CHUNK_S, within_s=FAST_S) - self._began
        return "ducked"

    async def speak_over(self) -> str:
        """Mean it: time until it is silent, and until it is stopped; see that it stays so, and what was understood."""
        await self.duck()
        orders = [self._caller.order(action, since=self._began) for action in ("pause", "stop")]
        silent = await _first(*orders)
        stop = await self._caller.order("stop", since=self._began)
        self.times["silent"] = silent - self._began
        self.times["stopped"] = stop - self._began
        await self._new_turn()
        self.times["sound after the stop"] = max(0.0, self._last_sound(stop) - stop)
        if (word_at := await self._first_word_at(stop)) is not None:
            self.times["word to stop"] = stop - word_at
        return "stopped"

    async def make_noise(self) -> str:
        """Mean nothing by it: time until the answer goes on, and see that all of it was heard."""
        await self.duck()
        ended = self._said_at + speech_end_s(self._sound.pcm, MIC_RATE_HZ)
        resume, stop = self._caller.order("resume", since=self._began), self._caller.order("stop", since=self._began)
        self.times["resumed"] = await _first(resume, stop) - ended
        await self._caller.state("LISTENING", since=self._began, within_s=END_S)
        hearing = next(one for one in self._caller.link.player.hearings if one.kind == "answer")
        if hearing.ended != "played":
            del self.times["resumed"]
            finals = self._caller.of_type(FinalTranscript, since=self._began)
            self.heard_as = finals[-1].text if finals else ""
            return "stopped"
        sent_s = await self._audio_sent_s()
        self.times["lost at the seam"] = max(sent_s - hearing.played_s, hearing.played_s - sent_s - PADDING_S, 0.0)
        return "resumed"

    async def _new_turn(self) -> None:
        """Wait for our next answer; see what was understood."""
        with suppress(NothingCame):
            await self._caller.state("SPEAKING", since=self._began, within_s=TURN_S)
        if finals := self._caller.of_type(FinalTranscript, since=self._began):
            self.heard_as = finals[-1].text
            said, heard = words_of(self._sound.words), words_of(self.heard_as)
            self.first_word_kept = bool(heard) and heard[0] == said[0]

    def _last_sound(self, stop: float) -> float:
        """Return when something of the old answer came last: before the new one began."""
        after = (one for one in self._caller.received if one.at >= stop)
        return next((one.loud_at for one in after if _begins(one.message)), self._caller.link.player.loud_at)

    async def _first_word_at(self, stop: float) -> float | None:
        """Return when the recogniser gave its first words over the answer, by the log, on the caller's clock."""
        offset = asyncio.get_running_loop().time() - time.time()
        spoken = [
            event.timestamp + offset
            for event in await self._log()
            if event.event_type in ("voice.stt.partial", "voice.stt.final") and event.payload.get("text")
        ]
        return min((at for at in spoken if self._began <= at <= stop), default=None)

    async def _audio_sent_s(self) -> float:
        sent = [event.payload["audio_ms"] for event in await self._log() if event.event_type == "voice.tts.chunk_ready"]
        return sum(float(str(audio_ms)) for audio_ms in sent) / 1000

    async def _log(self) -> list[_Logged]:
        async with open_http(self._url) as http:
            response = await http.get(f"/sessions/{self._caller.session_id}/events")
        return msgspec.json.decode(response.content, type=list[_Logged])


class _Logged(Struct):
    event_type: str
    timestamp: float
    payload: dict[str, object] = {}


async def _first(*waits: Coroutine[object, object, float]) -> float:
    """Return the earliest of the moments that are waited for."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return min(task.result() for task in done)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _begins(message: ServerMessage) -> bool:
    """Whether the audio of a new turn begins here: its first chunk, or the mark of it."""
    match message:
        case TtsChunk(payload=chunk):
            return chunk.seq == 0
        case MarkMessage(payload=mark):
            return mark.edge == "start"
        case _:
            return False


@contextmanager
def _stopped(pid_file: Path) -> Iterator[None]:
    pid = int(pid_file.read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
