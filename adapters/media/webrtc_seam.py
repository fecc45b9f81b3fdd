"""Every private part of aiortc and aioice that is touched, in one place.

aiortc is pinned to one minor version. What is replaced and why: its audio jitter buffer (capacity 16, prefetch 4, not
configurable) adds 65 to 80 ms to every frame, and one lost packet stalls it for 280 ms and leaves 280 ms of backlog
for the rest of the call. What is read: the RTP clock of the sender, without which a client cannot be told where in the
stream a turn lies. What is sent: an SCTP heartbeat, because a client without microphone may be silent for 7 s and live.
"""

from __future__ import annotations

import queue
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiortc import (
    RTCCertificate,
    RTCDtlsTransport,
    RTCIceGatherer,
    RTCIceTransport,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
    RTCSctpTransport,
)
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtcrtpreceiver import TimestampMapper
from aiortc.rtcsctptransport import HeartbeatChunk
from aiortc.rtp import RtpPacket

from adapters.media.jitter_buffer import VoiceJitterBuffer

__all__ = [
    "assert_aiortc_unchanged",
    "ice_transports",
    "include_loopback",
    "install_jitter_buffer",
    "last_rtp_timestamp",
    "send_heartbeat",
]

_LOOPBACK = "127.0.0.1"
_GATHER = "get_component_candidates"
_HEARTBEAT_INFO = 1
"""Type of the heartbeat's one parameter (RFC 9260, section 3.3.5)."""

PartT = TypeVar("PartT")


def _part(owner: object, name: str, kind: type[PartT]) -> PartT:
    """Return a private attribute. Raises RuntimeError if it is not there or of another type."""
    value = getattr(owner, name, None)
    if not isinstance(value, kind):
        raise RuntimeError(
            f"aiortc has changed: {type(owner).__name__}.{name} should be a {kind.__name__}, found"
            f" {type(value).__name__}. Install the aiortc of requirements.lock, or adapt adapters/media/webrtc_seam.py."
        )
    return value


class _InOrder:
    """Stands where aiortc's jitter buffer stood and hands every packet that is due to the decoder itself.

    aiortc's `add` can return one frame only, so after a filled hole the rest would wait: hence the way around it.
    """

    def __init__(self, receiver: RTCRtpReceiver) -> None:
        self._receiver = receiver
        self._decoder_queue = _part(receiver, "_RTCRtpReceiver__decoder_queue", queue.Queue)
        self._clock = _part(receiver, "_RTCRtpReceiver__timestamp_mapper", TimestampMapper)
        self._codecs = _part(receiver, "_RTCRtpReceiver__codecs", dict)
        self._ssrc = -1
        self._buffer = VoiceJitterBuffer[RtpPacket]()

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """Take a packet as aiortc's buffer does: (no picture is missing, no frame to decode)."""
        if packet.ssrc != self._ssrc:
            self._ssrc, self._buffer = packet.ssrc, VoiceJitterBuffer()
        decoding = getattr(self._receiver, "_RTCRtpReceiver__decoder_thread", None) is not None
        for due in self._buffer.push(packet.sequence_number, packet):
            # FFmpeg takes an empty packet for the end of the stream.
            if decoding and due.payload:
                frame = JitterFrame(data=due.payload, timestamp=self._clock.map(due.timestamp))
                self._decoder_queue.put((self._codecs[due.payload_type], frame))
        return False, None


def install_jitter_buffer(receiver: RTCRtpReceiver) -> None:
    """Replace a receiver's jitter buffer before it has received anything. Raises RuntimeError if aiortc changed."""
    name = "_RTCRtpReceiver__jitter_buffer"
    _part(receiver, name, JitterBuffer)
    setattr(receiver, name, _InOrder(receiver))


def last_rtp_timestamp(sender: RTCRtpSender) -> int:
    """Return the RTP timestamp of the last packet sent, as on the wire; 0 before the first."""
    return _part(sender, "_RTCRtpSender__rtp_timestamp", int)


async def send_heartbeat(sctp: RTCSctpTransport) -> None:
    """Ask the other side for a sign of life; it answers by SCTP (RFC 9260, section 8.3). Nothing if not connected."""
    if sctp.state == "connected":
        chunk = HeartbeatChunk()
        chunk.params = [(_HEARTBEAT_INFO, b"alive?")]
        try:
            await sctp._send_chunk(chunk)
        except ConnectionError:
            # The transport went down in this moment; the connection state tells.
            return


def ice_transports(peer: RTCPeerConnection) -> list[RTCIceTransport]:
    """Return the ICE transports of a peer connection, each once."""
    dtls = [transceiver.receiver.transport for transceiver in peer.getTransceivers()]
    if peer.sctp is not None:
        dtls.append(peer.sctp.transport)
    return list({id(one.transport): one.transport for one in dtls}.values())


def include_loopback(peer: RTCPeerConnection) -> None:
    """Let a peer connection gather 127.0.0.1 too, which aioice leaves out; call before the local description is set."""
    for transport in ice_transports(peer):
        connection = transport.iceGatherer._connection
        gather: Callable[..., Awaitable[object]] = connection.get_component_candidates

        async def with_loopback(
            component: int, addresses: list[str], gather: Callable[..., Awaitable[object]] = gather
        ) -> object:
            return await gather(component=component, addresses=[*addresses, _LOOPBACK])

        setattr(connection, _GATHER, with_loopback)


def assert_aiortc_unchanged() -> None:
    """Look for every private part on real objects; call at start-up, inside the event loop.

    Raises:
        RuntimeError: aiortc is another than this module was written for; the message says what changed.
    """
    ice = RTCIceTransport(RTCIceGatherer(iceServers=[]))
    dtls = RTCDtlsTransport(ice, [RTCCertificate.generateCertificate()])
    receiver = RTCRtpReceiver("audio", dtls)
    if not hasattr(receiver, "_RTCRtpReceiver__decoder_thread"):
        raise RuntimeError("aiortc has changed: RTCRtpReceiver.__decoder_thread is gone; adapt webrtc_seam.py")
    install_jitter_buffer(receiver)
    last_rtp_timestamp(RTCRtpSender("audio", dtls))
    for owner, name in ((RTCSctpTransport, "_send_chunk"), (ice.iceGatherer._connection, _GATHER)):
        if not callable(getattr(owner, name, None)):
            raise RuntimeError(f"aiortc has changed: {owner!r} has no {name}; adapt adapters/media/webrtc_seam.py")
