"""From a client's offer to our answer."""

from __future__ import annotations

from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.exceptions import InternalError, InvalidAccessError, InvalidStateError, OperationError

from adapters.media import webrtc_seam
from adapters.media.port import BadOffer
from adapters.media.sdp_limits import check_offer

__all__ = ["add_speech", "answer_offer"]

_BROKEN_SDP = (
    ValueError, TypeError, LookupError, AttributeError, AssertionError, ArithmeticError,
    InternalError, InvalidAccessError, InvalidStateError, OperationError,
)  # fmt: skip
"""What aiortc raises on a description it cannot make sense of; it has no error for that of its own."""


def add_speech(peer: RTCPeerConnection, track: MediaStreamTrack) -> RTCRtpSender:
    """Let a fresh peer connection send `track` and receive a microphone, both in Opus, with our jitter buffer."""
    transceiver = peer.addTransceiver(track)
    # The track's packets are Opus already: were another codec preferred by the client, they would go out as noise.
    transceiver.setCodecPreferences(
        [codec for codec in RTCRtpSender.getCapabilities("audio").codecs if codec.mimeType == "audio/opus"]
    )
    webrtc_seam.install_jitter_buffer(transceiver.receiver)
    return transceiver.sender


async def answer_offer(
    peer: RTCPeerConnection, sdp: str, type_: str, *, include_loopback: bool
) -> RTCSessionDescription:
    """Answer an offer and begin to connect.

    Raises:
        BadOffer: The offer is out of bounds, broken or of no use.
    """
    check_offer(sdp, type_)
    try:
        await peer.setRemoteDescription(RTCSessionDescription(sdp=sdp, type=type_))
        if include_loopback:
            webrtc_seam.include_loopback(peer)
        await peer.setLocalDescription()
    except _BROKEN_SDP as error:
        raise BadOffer(f"the offer cannot be answered: {error or type(error).__name__}") from error
    return peer.localDescription
