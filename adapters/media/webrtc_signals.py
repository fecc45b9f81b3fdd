"""What the owner of a peer is told about it: that it is ready, and that its client is lost, each at most once."""

from __future__ import annotations

from collections.abc import Callable

from aiortc import RTCPeerConnection

__all__ = ["Signals"]


class Signals:
    """Passes on the first of each signal; none once the peer is over.

    Args:
        on_ready: Called when messages or media can flow.
        on_closed: Called with a reason when the client is lost.
    """

    def __init__(self, on_ready: Callable[[], None], on_closed: Callable[[str], None]) -> None:
        self._on_ready = on_ready
        self._on_closed = on_closed
        self._was_ready = False
        self.over = False
        """Whether the client is lost or the peer was closed by its owner, who then needs no telling."""

    def ready(self) -> None:
        """Tell that the client is there."""
        if not (self._was_ready or self.over):
            self._was_ready = True
            self._on_ready()

    def lost(self, reason: str) -> None:
        """Tell that the client is gone."""
        if not self.over:
            self.over = True
            self._on_closed(reason)

    def follow(self, peer: RTCPeerConnection) -> None:
        """Tell when the peer connection fails or is closed from the other side."""

        def changed() -> None:
            if peer.connectionState in {"failed", "closed"}:
                self.lost(f"the peer connection is {peer.connectionState}")

        peer.on("connectionstatechange", changed)
