"""The other end of each leg: a client that speaks, listens and remembers, in the same process."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from fractions import Fraction
from typing import Protocol

from aiortc import MediaStreamTrack, RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtpPacket
from av import AudioCodecContext, AudioFrame, AudioResampler, CodecContext, Packet

from adapters.media.opus import OPUS_RATE_HZ
from adapters.media.port import MediaLeg
from adapters.media.webrtc import WebRtcPeer
from adapters.media.webrtc_seam import include_loopback
from adapters.media.websocket import WebSocketLeg

__all__ = ["Client", "Recorded", "WebRtcClient", "WebSocketClient", "eventually"]

_FRAME_SAMPLES = 960


async def eventually(holds: Callable[[], bool], within_s: float = 8.0) -> None:
    """Return once `holds()` is true; TimeoutError if it never is."""
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.01)


class Client(Protocol):
    """What a test needs of a client, whatever carries it."""

    heard_rate_hz: int
    messages: list[dict[str, object]]

    @property
    def leg(self) -> MediaLeg: ...

    def speak(self, pcm: bytes) -> None:
        """Say 16 kHz PCM into the microphone."""

    def heard(self) -> bytes:
        """Return all audio that arrived, in order."""

    async def close(self) -> None: ...


class WebSocketClient:
    """Records what a WebSocket would carry."""

    heard_rate_hz = 24_000

    def __init__(self) -> None:
        self.messages: list[dict[str, object]] = []
        self.leg = WebSocketLeg(self._take)

    async def _take(self, message: dict[str, object]) -> None:
        self.messages.append(message)

    def speak(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), 640):
            self.leg.feed(pcm[start : start + 640])

    def heard(self) -> bytes:
        chunks = [message["payload"] for message in self.messages if message["type"] == "tts_chunk"]
        return b"".join(base64.b64decode(str(chunk["audio_base64"])) for chunk in chunks if isinstance(chunk, dict))

    async def close(self) -> None:
        await self.leg.close()


class _Mouth(MediaStreamTrack):
    """A microphone that is silent unless it was given something to say."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.pcm = bytearray()
        self._frames = 0
        self._origin_s = 0.0

    async def recv(self) -> AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        now = asyncio.get_running_loop().time()
        self._origin_s = self._origin_s or now
        await asyncio.sleep(max(0.0, self._origin_s + self._frames * 0.02 - now))
        samples = bytes(self.pcm[:640]).ljust(640, b"\0")
        del self.pcm[:640]
        frame = AudioFrame(format="s16", layout="mono", samples=320)
        frame.planes[0].update(samples)
        frame.sample_rate, frame.time_base, frame.pts = 16_000, Fraction(1, 16_000), self._frames * 320
        self._frames += 1
        return frame


class Recorded:
    """The RTP packets that reached the client, as they were on the wire."""

    def __init__(self) -> None:
        self.packets: list[RtpPacket] = []

    def decoded(self, first_rtp: int | None = None, last_rtp: int | None = None) -> bytes:
        """Return the audio, s16le mono at 48 kHz; with bounds, that of packets from the first to before the last."""
        decoder = CodecContext.create("libopus", "r")
        assert isinstance(decoder, AudioCodecContext)
        decoder.format, decoder.layout, decoder.sample_rate = "s16", "mono", OPUS_RATE_HZ
        mono = AudioResampler(format="s16", layout="mono", rate=OPUS_RATE_HZ)
        pcm = b""
        for packet in self.packets:
            frames = [one for frame in decoder.decode(Packet(packet.payload)) for one in mono.resample(frame)]
            if first_rtp is not None and last_rtp is not None:
                ahead, span = (packet.timestamp - first_rtp) % (1 << 32), (last_rtp - first_rtp) % (1 << 32)
                frames = frames if ahead < span else []
            pcm += b"".join(bytes(frame.planes[0])[: 2 * frame.samples] for frame in frames)
        return pcm

    def timestamps(self) -> list[int]:
        return [packet.timestamp for packet in self.packets]


class WebRtcClient:
    """A real aiortc peer connection that calls a `WebRtcPeer`."""

    heard_rate_hz = OPUS_RATE_HZ

    def __init__(self, *, with_data: bool = True) -> None:
        self.messages: list[dict[str, object]] = []
        self.received_texts: list[str] = []
        self.lost: list[str] = []
        self.ready: list[bool] = []
        self.wire = Recorded()
        self.leg = WebRtcPeer(
            on_message=self.received_texts.append,
            on_closed=self.lost.append,
            on_ready=lambda: self.ready.append(True),
            send_control=self._take,
            include_loopback=True,
        )
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._mouth = _Mouth()
        self.peer.addTrack(self._mouth)
        self._draining: list[asyncio.Task[None]] = []
        self.peer.on("track", lambda track: self._draining.append(asyncio.ensure_future(_drain(track))))
        self.over_ctl: list[object] = []
        self.ctl: RTCDataChannel | None = None
        if with_data:
            self.ctl = self.peer.createDataChannel("ctl")
            self.ctl.on("message", lambda data: self.over_ctl.append(json.loads(data)))

    async def _take(self, message: dict[str, object]) -> None:
        self.messages.append(message)

    async def offer(self) -> str:
        include_loopback(self.peer)
        await self.peer.setLocalDescription()
        return str(self.peer.localDescription.sdp)

    async def call(self) -> None:
        """Connect, and wait until media arrives."""
        sdp, type_ = await self.leg.answer(await self.offer(), "offer")
        await self.peer.setRemoteDescription(RTCSessionDescription(sdp=sdp, type=type_))
        receiver = self.peer.getReceivers()[0]
        take = receiver._handle_rtp_packet

        async def record(packet: RtpPacket, arrival_time_ms: int) -> None:
            self.wire.packets.append(packet)
            await take(packet, arrival_time_ms)

        receiver._handle_rtp_packet = record  # type: ignore[method-assign]  # the wire is to be seen
        await eventually(lambda: bool(self.ready) and len(self.wire.packets) > 2)

    def speak(self, pcm: bytes) -> None:
        self._mouth.pcm += pcm

    def heard(self) -> bytes:
        return self.wire.decoded()

    def marks(self) -> list[dict[str, object]]:
        return [dict(one["payload"]) for one in self.messages if one["type"] == "mark"]  # type: ignore[call-overload]

    async def close(self) -> None:
        await self.leg.close()
        await self.peer.close()
        if self._draining:
            await asyncio.wait(self._draining)


async def _drain(track: MediaStreamTrack) -> None:
    while True:
        try:
            await track.recv()
        except MediaStreamError:
            return
