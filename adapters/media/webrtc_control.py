"""The data channel `ctl`: JSON text both ways, bounded."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
import structlog
from aiortc import RTCDataChannel

from adapters.media.port import MediaLost

__all__ = ["CONTROL_LABEL", "MAX_MESSAGE_BYTES", "MAX_WAITING", "ControlChannel"]

CONTROL_LABEL = "ctl"

MAX_MESSAGE_BYTES = 64 * 1024
"""Longest text taken from a client; the WebSocket's limit too."""

MAX_WAITING = 64
"""Messages that wait for the channel to open. The first of them greet the client, so later ones are thrown away."""

_MAX_UNSENT_BYTES = 1 << 20
"""A client that leaves so much untaken is no longer there."""

_RATE_PER_S = 60.0
_BURST = 120.0
"""Messages a client may send: a page reports a few per second."""

log = structlog.get_logger()


class ControlChannel:
    """Carries messages once the client has opened the channel.

    Args:
        on_message: Called with each text of bearable size.
        on_open: Called once, when messages can flow.
        on_closed: Called with a reason when the client closed the channel or abuses it.
    """

    def __init__(
        self,
        *,
        on_message: Callable[[str], None],
        on_open: Callable[[], None],
        on_closed: Callable[[str], None],
    ) -> None:
        self._on_message = on_message
        self._on_open = on_open
        self._on_closed = on_closed
        self._channel: RTCDataChannel | None = None
        self._waiting: list[str] = []
        self._allowance = _BURST
        self._counted_at = time.monotonic()

    def attach(self, channel: RTCDataChannel) -> None:
        """Use a channel the client opened; the first called `ctl` counts, all others are ignored."""
        if channel.label != CONTROL_LABEL or self._channel is not None:
            return
        self._channel = channel
        channel.on("message", self._take)
        channel.on("close", lambda: self._on_closed("the client closed its control channel"))
        for text in self._waiting:
            channel.send(text)
        self._waiting.clear()
        self._on_open()

    def send(self, message: dict[str, object]) -> None:
        """Send a message, or let it wait until the channel opens.

        Raises:
            MediaLost: The channel is closed, or the client takes nothing any more.
        """
        text = msgspec.json.encode(message).decode()
        if self._channel is None:
            if len(self._waiting) < MAX_WAITING:
                self._waiting.append(text)
            else:
                log.debug("control_message_dropped", type=message.get("type"), waiting=MAX_WAITING)
            return
        if self._channel.readyState != "open":
            raise MediaLost("the control channel is closed")
        if self._channel.bufferedAmount > _MAX_UNSENT_BYTES:
            raise MediaLost(f"the client leaves more than {_MAX_UNSENT_BYTES} bytes of control messages untaken")
        self._channel.send(text)

    def _take(self, data: str | bytes) -> None:
        now = time.monotonic()
        self._allowance = min(_BURST, self._allowance + (now - self._counted_at) * _RATE_PER_S) - 1.0
        self._counted_at = now
        if self._allowance < 0.0:
            self._on_closed(f"the client sends more than {_RATE_PER_S:.0f} control messages a second")
        elif not isinstance(data, str):
            self._refuse("binary_message", "the control channel carries JSON text; audio goes over the track")
        elif (size := len(data.encode())) > MAX_MESSAGE_BYTES:
            self._refuse("message_too_large", f"a message may have {MAX_MESSAGE_BYTES} bytes; this one has {size}")
        else:
            self._on_message(data)

    def _refuse(self, code: str, message: str) -> None:
        try:
            self.send({"type": "error", "code": code, "message": message})
        except MediaLost as lost:
            self._on_closed(str(lost))
