"""How one call's client comes and goes: by a WebSocket, by a peer connection, or by both as one client."""

from __future__ import annotations

from collections.abc import Callable, Coroutine

import structlog

from adapters.media.port import MediaLeg
from app.gateway.client import Client, Socket
from app.gateway.client_link import ClientLink
from app.gateway.services import CallServices

__all__ = ["TAKEN_OVER", "Transports"]

_log = structlog.get_logger()

TAKEN_OVER = (4409, "another client of this session took over")
"""With which code, and why, a client's WebSocket is closed when a newer one is there."""


class Transports:
    """What connects one call's client.

    Args:
        session_id: Whose call it is.
        client: Where messages and audio go.
        link: Told when the client is there, and when it is gone.
        services: Makes the legs.
        do: Runs a coroutine beside the call.
        on_leg: Told of each leg on which the client may be heard from now on.
        on_message: Takes what comes over a peer connection's channel.
    """

    def __init__(
        self, session_id: str, client: Client, link: ClientLink, services: CallServices,
        do: Callable[[Coroutine[object, object, None]], None], on_leg: Callable[[MediaLeg], None],
        on_message: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._session_id = session_id
        self._client = client
        self._link = link
        self._services = services
        self._do = do
        self._on_leg = on_leg
        self._on_message = on_message

    async def attach_socket(self, socket: Socket, after: str | None = None) -> None:
        """Make a WebSocket the client, or part of it; returns once its `session` message is on the way.

        Args:
            socket: Where messages go.
            after: The last message that the client has of an earlier connection: it is told what followed.

        Raises:
            TimeoutError: The connect was not folded in time.
        """
        client = self._client
        if replaces := client.socket is not None:
            client.socket.end(*TAKEN_OVER)
        was_present, client.socket = client.present, socket
        client.socket_leg = self._services.fed_leg(client.send)
        self._on_leg(client.socket_leg)
        if client.peer is not None:
            client.peer.external_liveness = True
        if was_present:
            self._link.joined(after, replaces=replaces and not client.peer_ready)
        else:
            self._link.came("websocket", after)
        await self._link.until_live()

    async def detach_socket(self, socket: Socket, reason: str) -> None:
        """A WebSocket is gone; the call goes on over the peer connection, or waits for a client."""
        client = self._client
        if client.socket is not socket:
            return
        client.socket = None
        leg, client.socket_leg = client.socket_leg, None
        if leg is not None:
            await leg.close()
        if client.peer is not None:
            client.peer.external_liveness = False
        self._maybe_gone(reason)

    async def answer_offer(self, sdp: str, type_: str) -> tuple[str, str]:
        """Answer a WebRTC offer with a peer of our own; an older one is dropped.

        Raises:
            BadOffer: The offer cannot be answered; an older peer stays.
        """
        peer = self._services.peer_leg(
            on_message=self._on_message,
            on_closed=lambda reason: self._do(self._peer_lost(reason)),
            on_ready=lambda: self._do(self._peer_is_up()),
            send_control=self._client.send,
        )
        answer = await peer.answer(sdp, type_)
        await self._client.drop_peer()
        self._client.peer = peer
        peer.external_liveness = self._client.socket is not None
        return answer

    def lose(self, reason: str) -> None:
        """Let a client go that takes nothing any more."""
        if self._client.socket is not None:
            self._client.socket.end(1013, reason)
        elif self._client.peer is not None:
            self._do(self._peer_lost(reason))

    async def _peer_is_up(self) -> None:
        client = self._client
        if client.peer is None or client.peer_ready:
            return
        was_present, client.peer_ready = client.present, True
        self._on_leg(client.peer)
        if not was_present:
            self._link.came("webrtc")
            try:
                await self._link.until_live()
            except TimeoutError:
                _log.warning("connect_not_folded", session=self._session_id)

    async def _peer_lost(self, reason: str) -> None:
        if self._client.peer is not None:
            await self._client.drop_peer()
            self._maybe_gone(reason)

    def _maybe_gone(self, reason: str) -> None:
        if not self._client.present:
            self._link.left(reason)
