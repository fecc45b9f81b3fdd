"""WebRTC offers that reach another gateway than the one to which the client is connected: it is asked to answer."""

from __future__ import annotations

import asyncio
import uuid

import structlog
from msgspec import Struct

from adapters.bus.port import BusUnavailable, Command, EventBus
from adapters.media.port import BadOffer
from app.gateway.call import Call

__all__ = ["Description", "Offers"]

_log = structlog.get_logger()

ANSWERED_WITHIN_S = 2.0
"""Longest wait for another gateway: gathering its addresses takes a tenth of that."""


class Description(Struct, frozen=True):
    """An SDP description."""

    sdp: str
    type: str


class Offers:
    """One gateway's part in passing offers on, and in answering those that are passed to it.

    Args:
        bus: How gateways reach each other.
        gateway: The name of this one.
    """

    def __init__(self, bus: EventBus, gateway: str) -> None:
        self._bus = bus
        self._gateway = gateway
        self._waiting: dict[str, asyncio.Future[Description]] = {}

    async def forward(self, holder: str, session_id: str, offer: Description) -> Description:
        """Return another gateway's answer.

        Raises:
            BadOffer: It cannot answer this offer.
            TimeoutError: It does not answer.
            BusUnavailable: It cannot be asked.
        """
        request_id = str(uuid.uuid4())
        answered: asyncio.Future[Description] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = answered
        ask: dict[str, object] = {
            "effect": "AnswerOffer", "request_id": request_id, "reply_to": self._gateway, "sdp": offer.sdp,
            "type": offer.type,
        }  # fmt: skip
        try:
            await self._bus.send(holder, Command(session_id=session_id, effects=[ask]))
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                return await answered
        finally:
            del self._waiting[request_id]

    async def take(self, command: Command, call: Call | None) -> None:
        """Take what another gateway says: an offer to answer, or the answer to one of ours."""
        for said in command.effects:
            fields = {name: str(value) for name, value in said.items()}
            if fields["effect"] == "AnswerOffer":
                await self._answer(fields, command.session_id, call)
            elif (waiting := self._waiting.get(fields["request_id"])) is not None and not waiting.done():
                if error := fields.get("error"):
                    waiting.set_exception(BadOffer(error))
                else:
                    waiting.set_result(Description(fields["sdp"], fields["type"]))

    async def _answer(self, asked: dict[str, str], session_id: str, call: Call | None) -> None:
        reply: dict[str, object] = {"effect": "OfferAnswered", "request_id": asked["request_id"]}
        if call is None:
            return  # it has gone from here meanwhile; whoever asks answers itself
        try:
            reply["sdp"], reply["type"] = await call.transports.answer_offer(asked["sdp"], asked["type"])
        except BadOffer as error:
            reply["error"] = str(error)
        try:
            await self._bus.send(asked["reply_to"], Command(session_id=session_id, effects=[reply]))
        except BusUnavailable as error:
            _log.warning("offer_not_answered", session=session_id, error=str(error))
