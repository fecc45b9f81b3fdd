from __future__ import annotations

import numpy as np
import pytest

from adapters.media.opus import FRAME_BYTES, FRAME_SAMPLES
from adapters.media.port import Mark, SpokenChunk
from adapters.media.webrtc_playout import MAX_AHEAD_S, PlayoutQueue
from statecharts.events import Kind


def ramp(samples: int, start: int = 1) -> bytes:
    return np.arange(start, start + samples, dtype="<i2").tobytes()


def chunk(
    pcm: bytes, *, turn: int = 1, kind: Kind = "answer", is_final: bool = False, rate_hz: int = 48_000
) -> SpokenChunk:
    return SpokenChunk(turn=turn, kind=kind, seq=0, pcm=pcm, rate_hz=rate_hz, text="", is_final=is_final)


class Wire:
    """Takes frames off a queue as the track does."""

    def __init__(self, queue: PlayoutQueue) -> None:
        self.queue = queue
        self.tick = 0
        self.speech = b""
        self.marks: list[Mark] = []

    def take(self, frames: int = 1) -> list[bytes | None]:
        taken = []
        for _ in range(frames):
            frame, marks = self.queue.take(self.tick)
            self.tick += FRAME_SAMPLES
            self.speech += frame or b""
            self.marks += marks
            taken.append(frame)
        return taken

    def edges(self) -> list[tuple[str, int]]:
        return [(mark.edge, mark.rtp // FRAME_SAMPLES) for mark in self.marks]


def wire_with(*chunks: SpokenChunk) -> Wire:
    queue = PlayoutQueue()
    for one in chunks:
        queue.push(one)
    return Wire(queue)


def test_chunks_of_any_length_join_to_the_sample() -> None:
    whole = ramp(5000)
    wire = wire_with(chunk(whole[:2002]), chunk(whole[2002:2004]), chunk(whole[2004:], is_final=True))
    wire.take(8)
    assert wire.speech[: len(whole)] == whole
    assert not any(wire.speech[len(whole) :])
    assert wire.edges() == [("start", 0), ("end", len(wire.speech) // FRAME_BYTES)]
    assert wire.queue.played_s(1, "answer") == 5000 / 48_000
    assert wire.queue.buffered_s() == 0.0


def test_a_paused_turn_keeps_its_place_and_goes_on_at_the_cut_sample() -> None:
    whole = ramp(9600)
    wire = wire_with(chunk(whole, is_final=True))
    wire.take(3)
    wire.queue.pause(1)
    assert wire.take(5) == [None] * 5
    assert wire.queue.played_s(1, "answer") == 0.06
    assert wire.queue.buffered_s() == pytest.approx(0.14)
    wire.queue.resume(1)
    wire.take(8)
    cut, fade = 3 * FRAME_BYTES, 480
    assert wire.speech[:cut] == whole[:cut]
    assert wire.speech[cut + fade : len(whole)] == whole[cut + fade :]
    assert wire.edges() == [("start", 0), ("pause", 3), ("resume", 8), ("end", 16)]
    assert wire.queue.played_s(1, "answer") == 0.2


def test_a_stopped_turn_is_thrown_away_and_leaves_the_next_one_alone() -> None:
    wire = wire_with(chunk(ramp(9600), turn=1), chunk(ramp(960), turn=2, is_final=True))
    wire.take(2)
    wire.queue.pause(1)
    wire.queue.stop(1)
    wire.speech = b""
    wire.take(3)
    assert wire.speech[:FRAME_BYTES] == ramp(960)
    assert wire.queue.played_s(1, "answer") == 0.04
    assert [(mark.turn, mark.edge) for mark in wire.marks] == [(1, "start"), (2, "start"), (2, "end")]


def test_a_newer_turn_does_not_wait_behind_a_paused_one() -> None:
    wire = wire_with(chunk(ramp(9600), turn=1))
    wire.queue.pause(1)
    wire.queue.push(chunk(ramp(960), turn=2, is_final=True))
    assert wire.take() == [ramp(960)]


def test_audio_that_comes_late_is_a_pause_that_the_marks_tell() -> None:
    wire = wire_with(chunk(ramp(1000)))
    assert [frame is None for frame in wire.take(3)] == [False, True, True]
    wire.queue.push(chunk(ramp(920, start=1001)))
    assert wire.take() != [None]
    assert wire.edges() == [("start", 0), ("pause", 1), ("resume", 3)]


def test_an_empty_final_chunk_ends_the_turn_where_its_audio_ended() -> None:
    wire = wire_with(chunk(ramp(960)))
    wire.take(4)
    wire.queue.push(chunk(b"", is_final=True))
    wire.take(3)
    assert wire.edges()[0] == ("start", 0)
    assert wire.edges()[-1][0] == "end"
    assert wire.queue.played_s(1, "answer") == 0.02


def test_a_turn_without_audio_leaves_no_mark() -> None:
    wire = wire_with(chunk(b"", is_final=True), chunk(ramp(960), turn=2, is_final=True))
    wire.take(3)
    assert [(mark.turn, mark.edge) for mark in wire.marks] == [(2, "start"), (2, "end")]


def test_a_filler_and_the_answer_are_counted_apart() -> None:
    wire = wire_with(chunk(ramp(1920), kind="filler", is_final=True), chunk(ramp(960), is_final=True))
    wire.take(6)
    assert (wire.queue.played_s(1, "filler"), wire.queue.played_s(1, "answer")) == (0.04, 0.02)
    assert [(mark.kind, mark.edge) for mark in wire.marks] == [
        ("filler", "start"), ("filler", "end"), ("answer", "start"), ("answer", "end"),
    ]  # fmt: skip


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_speech_of_any_rate_keeps_its_length(rate_hz: int) -> None:
    wire = wire_with(*[chunk(bytes(2 * rate_hz // 10), rate_hz=rate_hz, is_final=at == 9) for at in range(10)])
    wire.take(60)
    assert wire.queue.played_s(1, "answer") == pytest.approx(1.0, abs=0.001)


def test_what_cannot_be_played_is_refused() -> None:
    queue = PlayoutQueue()
    for pcm, rate_hz in ((b"\0", 48_000), (b"\0\0", 4_000), (b"\0\0", 96_000), (bytes(2 * 481_000), 48_000)):
        with pytest.raises(ValueError, match=r"cannot play|at most 1 s ahead"):
            queue.push(chunk(pcm, rate_hz=rate_hz))
    assert queue.buffered_s() == 0.0
    assert MAX_AHEAD_S == 10.0
