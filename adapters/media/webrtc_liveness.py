"""Is the client still there? Judged by what arrives from it, in seconds instead of ICE's half minute."""

from __future__ import annotations

import asyncio

from aiortc import RTCPeerConnection
from aiortc.stats import RTCTransportStats

from adapters.media.webrtc_seam import send_heartbeat

__all__ = ["CONNECT_S", "SILENCE_S", "Liveness"]

SILENCE_S = 5.0
"""A client of which nothing is heard for this long is gone; ICE consent alone would notice after 31 s."""

CONNECT_S = 15.0
"""Longest wait for the first packet of a client."""

_CHECK_S = 0.5
_PROBE_AFTER_S = 2.0
"""Silence after which the client is asked for a sign of life: a muted one may send RTCP only every 7.5 s."""


class Liveness:
    """Watches the packets a peer connection receives: audio, RTCP and the data channel's."""

    def __init__(self, peer: RTCPeerConnection) -> None:
        self._peer = peer
        self.external = False
        """Something else (a WebSocket) tells whether the client is there: nothing is judged here."""

    async def until_lost(self) -> str:
        """Return the reason once the client has been silent for too long."""
        heard, silent_s = 0, 0.0
        while True:
            await asyncio.sleep(_CHECK_S)
            received = await self._packets_received()
            # Checks are counted, not the clock read: after a stall of our own the packets are still in the socket.
            silent_s = 0.0 if received != heard or self.external else silent_s + _CHECK_S
            heard = received
            limit_s = SILENCE_S if heard else CONNECT_S
            if silent_s >= limit_s:
                return f"nothing was heard from the client for {limit_s:g} s"
            if silent_s >= min(_PROBE_AFTER_S, limit_s / 2) and self._peer.sctp is not None:
                await send_heartbeat(self._peer.sctp)

    async def _packets_received(self) -> int:
        report = await self._peer.getStats()
        return sum(stats.packetsReceived for stats in report.values() if isinstance(stats, RTCTransportStats))
