"""Watches from beside, straight at the log server: who owns which partition, and which processes say they are there."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from msgspec import Struct

from adapters.bus.port import BusUnavailable
from adapters.bus.redis_link import Keys, Link

__all__ = ["Owned", "Watch"]

LOOK_EVERY_S = 0.05
"""A tenth of a lease: no owner comes and goes unseen."""
_ROLES = ("orchestrator", "intent")
"""Roles whose members are looked for; a gateway tells of itself by HTTP."""


class Owned(Struct, frozen=True):
    """A partition had this owner from this moment on."""

    at: float
    """On the event loop's clock."""
    owner: str
    epoch: int


class Watch:
    """Looks again and again.

    Args:
        url: The log server's own address, not that of a proxy.
        partitions: How many the log has.
    """

    def __init__(self, url: str, partitions: int) -> None:
        self._link = Link(url)
        self._keys = Keys(partitions)
        self.history: dict[int, list[Owned]] = {partition: [] for partition in range(partitions)}
        self.wrong: list[str] = []
        """Where two owners had one epoch, or an epoch went back."""
        self._owner_of: dict[tuple[int, int], str] = {}
        self._members: dict[str, set[str]] = {role: set() for role in _ROLES}

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            while True:
                with suppress(BusUnavailable):  # it is harmed on purpose
                    await self._look()
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            await self._link.close()

    def known(self, role: str) -> set[str]:
        """Return the names of all members that a role ever had."""
        return set(self._members[role])

    def moved(self, partition: int, after: float, before: float) -> bool:
        """Return whether a partition went to another owner between two moments."""
        return any(after <= owned.at <= before for owned in self.history[partition])

    async def _look(self) -> None:
        answers = await self._link.call_all(
            [("GET", self._keys.lease(partition)) for partition in self.history]
            + [("ZRANGE", self._keys.presence(role), 0, -1) for role in _ROLES]
        )
        for partition, lease in enumerate(answers[: len(self.history)]):
            if isinstance(lease, bytes):
                owner, _, epoch = lease.decode().rpartition(":")
                self._note(partition, owner, int(epoch))
        for role, names in zip(_ROLES, answers[len(self.history) :], strict=True):
            if isinstance(names, list):
                self._members[role] |= {name.decode() for name in names}

    def _note(self, partition: int, owner: str, epoch: int) -> None:
        seen = self.history[partition]
        if seen and (seen[-1].owner, seen[-1].epoch) == (owner, epoch):
            return
        if self._owner_of.setdefault((partition, epoch), owner) != owner:
            other = self._owner_of[partition, epoch]
            self.wrong.append(f"partition {partition}: {other} and {owner} both had epoch {epoch}")
        if seen and epoch <= seen[-1].epoch:
            self.wrong.append(f"partition {partition}: epoch {epoch} came after {seen[-1].epoch}")
        seen.append(Owned(asyncio.get_running_loop().time(), owner, epoch))
