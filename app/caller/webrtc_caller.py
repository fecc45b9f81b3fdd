"""A caller on WebRTC: Opus both ways, messages over the data channel `ctl` alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction

import av
import httpx
import structlog
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpCodecCapability,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from aiortc.exceptions import InvalidStateError
from aiortc.mediastreams import MediaStreamTrack
from aiortc.rtp import RtpPacket
from msgspec import Struct

from app.caller.link import FRAME_BYTES, CallRefused, LinkLost, Session, Transport, post
from app.caller.messages import BadMessage, ClientMessage, ServerMessage, decode, encode
from app.caller.track_playout import RTP_RATE_HZ, TrackPlayer
from app.caller.wav import MIC_RATE_HZ
from statecharts.events import VoicechartError

__all__ = ["open_webrtc"]

_log = structlog.get_logger()

_SEAM = "_handle_rtp_packet"
"""aiortc's private entry for received packets, version 1.16: it gives out RTP timestamps nowhere else. A contract test
fails if it changes."""
_QUEUED_FRAMES = 25
"""Microphone frames that may wait for the connection, 0.5 s; then the oldest is lost, as in any sound card."""
_QUEUED_MESSAGES = 1000
_PACKET_TICKS = RTP_RATE_HZ * FRAME_BYTES // 2 // MIC_RATE_HZ


class _Microphone(MediaStreamTrack):
    """Gives Opus packets, not frames: aiortc's own encoder works in stereo and costs twice as much."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._frames: asyncio.Queue[bytes] = asyncio.Queue(_QUEUED_FRAMES)
        self._encoder = av.AudioCodecContext.create("libopus", "w")
        self._encoder.sample_rate = MIC_RATE_HZ
        self._encoder.layout = "mono"
        self._encoder.format = "s16"
        self._encoder.bit_rate = 32_000
        self._encoder.options = {"application": "voip"}
        self._next_tick = 0

    def push(self, frame: bytes) -> None:
        if self._frames.full():
            self._frames.get_nowait()
        self._frames.put_nowait(frame)

    async def recv(self) -> av.Packet[av.AudioStream]:
        pcm = await self._frames.get()
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(pcm) // 2)
        frame.planes[0].update(pcm)
        frame.sample_rate = MIC_RATE_HZ
        (packet,) = self._encoder.encode(frame)
        packet.pts, packet.time_base = self._next_tick, Fraction(1, RTP_RATE_HZ)
        self._next_tick += _PACKET_TICKS
        return packet


class _WebRtcLink:
    def __init__(self, peer: RTCPeerConnection) -> None:
        self.player = TrackPlayer()
        self.transport: Transport = "webrtc"
        self._messages: asyncio.Queue[ServerMessage | None] = asyncio.Queue(_QUEUED_MESSAGES)
        self._closed = False
        self._decoder = av.AudioCodecContext.create("libopus", "r")
        self._decoder.sample_rate = RTP_RATE_HZ
        self._decoder.layout = "mono"
        self._decoder.format = "s16"
        self._microphone = _Microphone()
        sender = peer.addTrack(self._microphone)
        transceiver = next(t for t in peer.getTransceivers() if t.sender is sender)
        transceiver.setCodecPreferences(_opus())
        _listen_in(transceiver.receiver, self)
        self._control: RTCDataChannel = peer.createDataChannel("ctl")
        self._control.on("message", self._on_message)
        self._control.on("close", self._end)
        peer.on("connectionstatechange", lambda: self._on_state(peer.connectionState))

    async def hear(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        """Decode a packet the moment it arrives: a jitter buffer would only blur what is measured here."""
        if not packet.payload:
            return
        try:
            frames = self._decoder.decode(av.Packet(packet.payload))
        except av.FFmpegError as error:
            _log.warning("packet_not_decoded", error=str(error))
            return
        now = asyncio.get_running_loop().time()
        pcm = b"".join(bytes(frame.planes[0])[: frame.samples * 2] for frame in frames)
        self.player.hear(packet.timestamp, pcm, now)

    def _on_message(self, data: str | bytes) -> None:
        try:
            message = decode(data)
        except BadMessage as error:
            _log.error("bad_message", error=str(error))
            self._end()
            return
        if message is None or self._closed:
            return
        if self._messages.full():
            _log.warning("message_dropped", reason=f"{_QUEUED_MESSAGES} messages wait already")
            return
        self._messages.put_nowait(message)

    def _on_state(self, state: str) -> None:
        if state in ("closed", "failed"):
            self._end()

    def _end(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._messages.full():
            self._messages.get_nowait()
        self._messages.put_nowait(None)

    async def speak(self, frame: bytes) -> None:
        if self._closed:
            raise LinkLost("the server closed the peer connection. Its log says why.")
        self._microphone.push(frame)

    async def send(self, message: ClientMessage) -> None:
        try:
            self._control.send(encode(message))
        except InvalidStateError as error:
            raise LinkLost("the data channel `ctl` is closed. The server's log says why.") from error

    async def messages(self) -> AsyncIterator[ServerMessage]:
        while (message := await self._messages.get()) is not None:
            yield message


def _opus() -> list[RTCRtpCodecCapability]:
    capabilities = RTCRtpReceiver.getCapabilities("audio")
    assert capabilities is not None  # aiortc knows audio
    return [codec for codec in capabilities.codecs if codec.mimeType == "audio/opus"]


def _listen_in(receiver: RTCRtpReceiver, link: _WebRtcLink) -> None:
    """Give every received packet to the link, not to aiortc's decoder, whose frames no longer know their RTP time."""
    if not hasattr(receiver, _SEAM):
        raise VoicechartError(f"this aiortc has no {_SEAM} any more; install the version in requirements.lock")
    setattr(receiver, _SEAM, link.hear)


class _Description(Struct):
    sdp: str
    type: str


@asynccontextmanager
async def open_webrtc(http: httpx.AsyncClient, session: Session) -> AsyncIterator[_WebRtcLink]:
    """Connect to a session; the connection is up when its first message arrives.

    Raises:
        CallRefused: The offer was not taken, or its answer cannot be used.
    """
    # No STUN: the default asks a public server and waits up to 5 s for it.
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        link = _WebRtcLink(peer)
        await peer.setLocalDescription(await peer.createOffer())
        offer = peer.localDescription
        path = f"/sessions/{session.session_id}/offer"
        answer = await post(http, path, {"sdp": offer.sdp, "type": offer.type}, _Description)
        try:
            await peer.setRemoteDescription(RTCSessionDescription(answer.sdp, answer.type))
        except ValueError as error:
            raise CallRefused(f"the server's SDP answer cannot be used: {error}") from error
        yield link
    finally:
        await peer.close()
