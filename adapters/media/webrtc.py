"""A caller whose audio travels by WebRTC, carried by aiortc."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import structlog
from aiortc import MediaStreamTrack, RTCConfiguration, RTCIceServer, RTCPeerConnection

from adapters.media.microphone import MicrophoneQueue
from adapters.media.port import BadOffer, MediaLost, SpokenChunk
from adapters.media.webrtc_control import ControlChannel
from adapters.media.webrtc_liveness import Liveness
from adapters.media.webrtc_microphone import listen
from adapters.media.webrtc_negotiation import add_speech, answer_offer
from adapters.media.webrtc_outbox import Outbox, SendControl
from adapters.media.webrtc_playout import PlayoutQueue
from adapters.media.webrtc_seam import last_rtp_timestamp
from adapters.media.webrtc_signals import Signals
from adapters.media.webrtc_track import SpeechTrack
from statecharts.effects import PlayoutAction
from statecharts.events import Kind

__all__ = ["WebRtcPeer"]

log = structlog.get_logger()


class WebRtcPeer:
    """The `MediaLeg` of one peer connection, and its data channel `ctl`. Make it inside the event loop.

    No callback may await `close`; `on_closed` may start a task that does.

    Args:
        on_message: Called with each text the client sends over `ctl`.
        on_closed: Called once with a reason when the client is lost; not after `close`.
        on_ready: Called once, when `ctl` opens or, if the offer had no data section, when media arrives.
        send_control: Sends a `playout` or `mark` message over the WebSocket of the session or, if there is none, by
            `send`. Messages are sent one at a time, in order.
        ice_servers: STUN and TURN addresses. None is needed, or waited for, where client and server see each other.
        include_loopback: Offer 127.0.0.1 too, for machines that have no other address.
    """

    def __init__(
        self,
        *,
        on_message: Callable[[str], None],
        on_closed: Callable[[str], None],
        on_ready: Callable[[], None],
        send_control: SendControl,
        ice_servers: Sequence[str] = (),
        include_loopback: bool = False,
    ) -> None:
        self._signals = Signals(on_ready, on_closed)
        self._microphone = MicrophoneQueue()
        self._playout = PlayoutQueue()
        self._outbox = Outbox(send_control, self._signals.lost)
        self._control = ControlChannel(on_message=on_message, on_open=self._signals.ready, on_closed=self._signals.lost)
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[RTCIceServer(urls=url) for url in ice_servers]))
        self._include_loopback = include_loopback
        self._liveness = Liveness(self._peer)
        self._running: asyncio.Task[None] | None = None
        self._closing = asyncio.Lock()
        self._closed = False

    @property
    def transport(self) -> str:
        return "webrtc"

    @property
    def external_liveness(self) -> bool:
        """Whether a WebSocket of the session tells if the client is there; a silent peer connection is then borne."""
        return self._liveness.external

    @external_liveness.setter
    def external_liveness(self, external: bool) -> None:
        self._liveness.external = external

    async def answer(self, sdp: str, type_: str) -> tuple[str, str]:
        """Answer the client's offer and begin to listen and to speak; once per peer.

        Args:
            sdp: The offer, with its ICE candidates (they are not trickled).
            type_: `offer`.

        Returns:
            The answer's SDP and its type.

        Raises:
            BadOffer: The offer cannot be answered; the peer is closed.
            MediaLost: The peer was closed meanwhile.
            RuntimeError: It had answered before.
        """
        if self._running is not None or self._signals.over:
            raise RuntimeError("this peer has answered or is closed; make one peer per offer")
        track = SpeechTrack(self._playout, last_rtp=lambda: last_rtp_timestamp(sender), on_mark=self._outbox.post)
        sender = add_speech(self._peer, track)
        self._peer.on("datachannel", self._control.attach)
        self._signals.follow(self._peer)
        try:
            answer = await answer_offer(self._peer, sdp, type_, include_loopback=self._include_loopback)
        except BadOffer:
            await self.close()
            raise
        if self._signals.over:
            raise MediaLost("the peer was closed while it answered")
        self._running = asyncio.create_task(self._run())
        return answer.sdp, answer.type

    async def send(self, message: dict[str, object]) -> None:
        """Send a message over `ctl`; before it opens the first 64 wait.

        Raises:
            MediaLost: The channel is closed, or the client takes nothing any more.
        """
        self._control.send(message)

    def microphone(self) -> AsyncIterator[bytes]:
        return self._microphone.pieces()

    async def play(self, chunk: SpokenChunk) -> None:
        """Queue a chunk; it is encoded when its time comes.

        Raises:
            MediaLost: The peer is closed or its client lost.
            ValueError: The chunk's audio is malformed, or more than `MAX_AHEAD_S` would wait.
        """
        if self._signals.over:
            raise MediaLost("the peer connection is closed; nobody can hear this chunk")
        self._playout.push(chunk)

    async def playout(self, action: PlayoutAction, turn: int) -> None:
        """Pause, resume or stop the track from the next packet on, and tell the client.

        A duck is only told: lowered here, our voice would stay loud for as long as the client's jitter buffer is.
        Returns when the message is sent, so that what is sent next comes after it.
        """
        steering = {"pause": self._playout.pause, "resume": self._playout.resume, "stop": self._playout.stop}
        if action in steering:
            steering[action](turn)
        if not self._signals.over:
            await self._outbox.send({"type": "playout", "payload": {"action": action, "turn": turn}})

    def buffered_s(self) -> float:
        return self._playout.buffered_s()

    def played_s(self, turn: int, kind: Kind) -> float:
        """Return how much of a turn's audio left on the wire, in seconds."""
        return self._playout.played_s(turn, kind)

    async def close(self) -> None:
        """End the connection and everything that ran for it; may be called again, and at any time."""
        self._signals.over = True
        async with self._closing:
            if self._closed:
                return
            self._microphone.close()
            if self._running is not None:
                self._running.cancel()
                await asyncio.wait([self._running])
            await self._peer.close()
            self._closed = True

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                # None if the client only listens, whatever the library's annotation says.
                microphone: MediaStreamTrack | None = self._peer.getReceivers()[0].track
                if microphone is not None:
                    on_media = self._signals.ready if self._peer.sctp is None else None
                    group.create_task(listen(microphone, self._microphone, on_media))
                group.create_task(self._outbox.deliver_marks())
                self._signals.lost(await self._liveness.until_lost())
        except Exception:  # the outermost loop of a leg: whatever aiortc raises, the call goes on without it
            log.exception("webrtc_leg_failed")
            self._signals.lost("the media leg failed")
