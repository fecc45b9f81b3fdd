"""One conversation at the rim: its client, its ear and its mouth, and what the orchestrator asks of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence

import msgspec

from adapters.media.port import MediaLeg
from app.gateway.client import Client
from app.gateway.client_link import ClientLink
from app.gateway.confirmed import Confirmed
from app.gateway.ear import Ear
from app.gateway.echo_gate import EchoGate
from app.gateway.keypad import Keypad
from app.gateway.messages import BadMessage, KeysPressed, read_message
from app.gateway.mouth import Mouth
from app.gateway.reflex import Reflex
from app.gateway.services import CallServices, Message
from app.gateway.spoken_chunks import SpokenChunks
from app.gateway.transports import TAKEN_OVER, Transports
from statecharts.effects import PlayoutAction, Speak
from statecharts.events import (
    BargeIn,
    Event,
    PlaybackDone,
    PlaybackProgress,
    PlaybackStarted,
    SessionEnded,
)
from statecharts.speech import Speech

__all__ = ["Call"]

LAST_WORDS_S = 2.0
"""Longest wait for the words that a caller said just before the session ended."""
ERASED = "deleted"
"""Why a session ends of which nothing is to be kept, the last words included."""

_NOTHING_SAID = frozenset({"released", "resumed"})
"""Triggers by which the chart takes a sound for nothing, sometimes before the recogniser has given its verdict: words
that come after all are still the caller's."""

Publish = Callable[[Event, float], None]


class Call:
    """Everything of one session that lives beside its client.

    Args:
        session_id: Whose call it is.
        services: Models, rules and legs.
        publish: Takes each fact, in order, with the seconds since the true end of the voice.
        journal: Returns the session's journal, from some time before a position on.
        is_new: Whether the session has to be started first.
        elsewhere: Whether another gateway may hold a client of the session.
        on_duck: Told of each reflex, and how many seconds it took from the arrival of the audio.
    """

    def __init__(
        self,
        session_id: str,
        services: CallServices,
        publish: Publish,
        journal: Callable[[str], Awaitable[Sequence[bytes]]],
        *,
        is_new: bool,
        elsewhere: bool = False,
        on_duck: Callable[[float], None] = lambda took_s: None,
    ) -> None:
        self.session_id = session_id
        self.ended = asyncio.Event()
        self._publish = publish
        self.client = Client(lambda reason: self.transports.lose(reason))
        self._mouth = Mouth(SpokenChunks(services.voices), self._audible_leg, lambda event: publish(event, 0.0))
        self._reflex = Reflex(self._mouth.playout, self._do, on_duck, interruptible=services.policy.interruptible)
        self._ear = Ear(services.activity(), services.recogniser, services.policy, publish, self._reflex)
        self._echo_gate = EchoGate(lambda: self._mouth.playout.audible_turn is not None)
        self._keypad = Keypad(self._take)
        self._tasks: asyncio.Queue[Coroutine[object, object, None]] = asyncio.Queue()
        self._where: Message = {"state": "IDLE", "substate": "new", "turn": 0}
        self._confirmed = Confirmed()
        self._link = ClientLink(
            self.client, self._mouth, self._confirmed, lambda event: publish(event, 0.0), journal, self._do,
            lambda: {"session_id": session_id, **self._where}, is_new=is_new, elsewhere=elsewhere,
        )  # fmt: skip
        self.transports = Transports(
            session_id, self.client, self._link, services, self._do, self._use,
            lambda text: self._do(self._hear_channel(text)),
        )  # fmt: skip
        self._inherits = not is_new
        self._closed = False

    @property
    def over(self) -> bool:
        """Whether the client was let go; its last words may still be recognised."""
        return self._link.is_over

    @property
    def ours(self) -> bool:
        """Whether the log has said that the client is here, and nothing else since, as far as we have heard."""
        return self._link.ours

    # --- life

    async def run(self) -> None:
        """Run ear, mouth and messages until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._mouth.run())
                group.create_task(self.client.deliver())
                while True:
                    group.create_task(await self._tasks.get())
        finally:
            self._closed = True
            while not self._tasks.empty():
                self._tasks.get_nowait().close()
            await self._ear.close()
            await self.client.drop_peer()

    def _do(self, work: Coroutine[object, object, None]) -> None:
        if self._closed:
            work.close()  # a callback that comes late
            return
        # Unbounded: what is put here is taken at once; it only bridges plain callbacks to the task group.
        self._tasks.put_nowait(work)

    def _audible_leg(self) -> MediaLeg | None:
        return self.client.leg if self._link.live.is_set() else None

    # --- what the client says

    async def hear_frame(self, pcm: bytes) -> None:
        """Take one binary frame of a WebSocket client's microphone."""
        if self.client.socket_leg is None:
            return
        try:
            self.client.socket_leg.feed(pcm)
        except ValueError as error:
            await self.refuse("bad_audio", str(error))

    async def hear_message(self, data: str | bytes) -> None:
        """Take one of the client's messages; a bad one is answered with an error and changes nothing."""
        try:
            said = read_message(data, self._mouth.playout.turn)
        except BadMessage as error:
            await self.refuse(error.code, str(error))
            return
        if isinstance(said, KeysPressed):
            self._keypad.press(said.keys)
        else:
            self._take(said)

    def _take(self, event: Event) -> None:
        """Take a fact that comes from the client."""
        if isinstance(event, (PlaybackStarted, PlaybackProgress, PlaybackDone)):
            event = self._confirmed.note(event)
        if isinstance(event, BargeIn):
            self._reflex.voice(True, asyncio.get_running_loop().time())
        if isinstance(event, SessionEnded):
            self._keypad.flush()
        self._publish(event, 0.0)

    @property
    def busy(self) -> bool:
        """Whether the caller is in the middle of saying something, or of hearing the answer."""
        return self._where["state"] in ("THINKING", "SPEAKING", "INTERRUPT") or self._ear.hearing

    def end(self, reason: str) -> None:
        """Ask that the session end."""
        self._take(SessionEnded(reason=reason))

    def abandon(self) -> None:
        """Let everything go at once, after a mistake of ours."""
        self.end("an internal error")
        if self.client.socket is not None:
            self.client.socket.end(1011, "an internal error")
        self.ended.set()

    async def refuse(self, code: str, message: str) -> None:
        """Tell the client that something it sent cannot be taken."""
        await self.client.send({"type": "error", "code": code, "message": message})

    async def _hear_channel(self, text: str) -> None:
        await self._link.live.wait()
        await self.hear_message(text)

    def _use(self, leg: MediaLeg) -> None:
        self._do(self._listen(leg))
        self._mouth.playout.wake()

    async def _listen(self, leg: MediaLeg) -> None:
        async for pcm in leg.microphone():
            # Once a peer connection is up its track is the only microphone.
            if leg is self.client.leg:
                self._ear.hear(self._echo_gate.let_pass(pcm))

    # --- what the orchestrator asks

    async def obey(self, effects: list[dict[str, object]], position: str) -> None:
        """Carry out the effects of one fact, in order; the client is let go when it was told all the rest.

        Before the log has answered that the client is here, they are for a call that was here before.
        """
        if not self.ours and not any(self._link.answers(effect.get("event_id")) for effect in effects):
            return
        self._link.begin(position)
        for effect in sorted(effects, key=lambda effect: effect["effect"] == "EndSession"):
            match effect["effect"]:
                case "Welcome":
                    self._take_welcome(effect)
                case "StateChanged":
                    self._take_state(effect)
                case "TakenForGone":
                    self._link.contradict()
                case "TakenOver":
                    await self.move_away()
                case "GuardEcho":
                    self._echo_gate.guard(bool(effect["on"]))
                case "EndSession":
                    await self.finish(str(effect["reason"]))
                case _:
                    await self._steer_voice(effect)
            await self._link.tell(effect)

    async def _steer_voice(self, effect: Message) -> None:
        match effect["effect"]:
            case "Speak":
                await self._mouth.speak(msgspec.convert(effect, Speak))
            case "CommitSpeech":
                self._mouth.playout.release()
            case "CancelSpeech":
                # Its first chunk may have left since the chart decided: that is stopped as well.
                await self._take_playout({"action": "stop", "turn": effect["turn"]})
            case "Playout":
                await self._take_playout(effect)
            case "CancelFiller":
                self._reflex.forget()
                await self._mouth.end_filler()

    def _take_welcome(self, effect: Message) -> None:
        if not self._link.answers(effect["event_id"]):
            return
        self._where = {name: effect[name] for name in ("state", "substate", "turn")}
        if self._inherits and "speech" in effect:
            speech, played_s = msgspec.convert(effect["speech"], Speech), float(str(effect["played_s"]))
            self._confirmed.inherit(speech.turn, played_s)
            self._mouth.inherit(speech, played_s)
        self._inherits = False
        self._link.welcome()

    async def move_away(self) -> None:
        """The client is at another gateway: nothing of this call is ours any more."""
        self._link.end()
        self._mouth.cancel()
        if self.client.socket is not None:
            self.client.socket.end(*TAKEN_OVER)
        await self.client.drop_peer()
        self.ended.set()

    def _take_state(self, effect: Message) -> None:
        self._where = {"state": effect["new_state"], "substate": effect["substate"], "turn": effect["turn"]}
        late = effect["trigger"] in _NOTHING_SAID
        if effect["new_state"] == "THINKING" or self._where["substate"] == "quiet" or late:
            self._ear.begin_utterance(words_wanted=late, afresh=effect["trigger"] == "hearing_max")
        if effect["new_state"] in ("LISTENING", "THINKING", "IDLE"):
            self._mouth.playout.forget()

    async def _take_playout(self, effect: Message) -> None:
        action: PlayoutAction = effect["action"]  # type: ignore[assignment]
        turn: int = effect["turn"]  # type: ignore[assignment]
        if not self._reflex.decided(action, turn):
            await self._mouth.steer(action, turn)

    async def finish(self, reason: str) -> None:
        """Let the client go, after what it has still to be told; what it said last is still recognised."""
        self._link.end()
        self._keypad.forget()
        self._mouth.cancel()
        await self.client.flush()
        if self.client.socket is not None:
            self.client.socket.end(1000, reason)
        await self.client.drop_peer()
        if self._closed or reason == ERASED:
            self.ended.set()
        else:
            self._do(self._hear_out())

    async def _hear_out(self) -> None:
        await self._ear.finish(LAST_WORDS_S)
        self.ended.set()
