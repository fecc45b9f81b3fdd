"""Says of a role's member that it is alive, as long as it is."""

from __future__ import annotations

import asyncio

import structlog

from adapters.bus.port import BusUnavailable, EventBus

__all__ = ["PRESENCE_S", "stay_present"]

_log = structlog.get_logger()

PRESENCE_S = 2.0
"""How long an announcement holds; it is repeated every half of that."""


async def stay_present(bus: EventBus, role: str, name: str) -> None:
    """Announce a member again and again, until cancelled."""
    while True:
        try:
            await bus.announce(role, name, PRESENCE_S)
        except BusUnavailable as error:
            _log.debug("presence_not_announced", role=role, error=str(error))
        await asyncio.sleep(PRESENCE_S / 2)
