from __future__ import annotations

import asyncio
import time

from adapters.media.opus import FRAME_SAMPLES, OpusEncoder, silence_packet
from adapters.media.port import Mark, SpokenChunk
from adapters.media.webrtc_playout import PlayoutQueue
from adapters.media.webrtc_track import SpeechTrack

RTP_CLOCK = 1 << 32


class Sender:
    """Pulls packets and puts a random offset on their timestamps, as aiortc's sender does."""

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.last_rtp = 0
        self.marks: list[Mark] = []
        self.queue = PlayoutQueue()
        self.track = SpeechTrack(self.queue, last_rtp=lambda: self.last_rtp, on_mark=self.marks.append)

    async def send(self) -> bytes:
        packet = await self.track.recv()
        assert packet.pts is not None
        self.last_rtp = (self.offset + packet.pts) % RTP_CLOCK
        return bytes(packet)


async def test_marks_name_the_timestamps_of_the_wire_even_where_they_wrap() -> None:
    sender = Sender(offset=RTP_CLOCK - 1500)
    pcm = b"\1\2" * FRAME_SAMPLES * 3
    sender.queue.push(SpokenChunk(turn=1, kind="answer", seq=0, pcm=pcm, rate_hz=48_000, text="", is_final=True))
    sent = [(await sender.send(), sender.last_rtp) for _ in range(8)]
    spoken = [rtp for payload, rtp in sent if payload != silence_packet()]
    assert spoken[0] == RTP_CLOCK - 1500 + 960
    assert spoken[-1] < spoken[0]
    assert [(mark.edge, mark.rtp) for mark in sender.marks] == [("start", spoken[0]), ("end", spoken[-1] + 960)]


async def test_after_a_stall_the_clock_is_set_anew_instead_of_sending_a_burst() -> None:
    sender = Sender(offset=0)
    await sender.send()
    time.sleep(0.3)  # noqa: ASYNC251 - the loop is to be held up
    began = asyncio.get_running_loop().time()
    for _ in range(5):
        await sender.send()
    assert asyncio.get_running_loop().time() - began >= 0.075
    assert sender.last_rtp == 5 * FRAME_SAMPLES


async def test_a_small_delay_is_made_up_for() -> None:
    sender = Sender(offset=0)
    began = asyncio.get_running_loop().time()
    await sender.send()
    time.sleep(0.1)  # noqa: ASYNC251 - the loop is to be held up
    for _ in range(10):
        await sender.send()
    assert asyncio.get_running_loop().time() - began < 0.26


def test_silence_is_encoded_once_and_smaller_than_speech() -> None:
    assert silence_packet() is silence_packet()
    assert 0 < len(silence_packet()) < len(OpusEncoder().encode(b"\1\0\xff\x3f" * 480))
