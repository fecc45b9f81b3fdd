"""Faults planted on purpose: mistakes that are easily made; a simulation that misses one is worth nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping

from adapters.bus.memory import MemoryBus
from adapters.bus.port import Batch, Command, Commit, EventBus, Lease
from app.folding import Conversation, Folded
from app.gateway.orders import Orders
from app.orchestrator import Orchestrator
from app.simulation.hosts import Code, SimulatedGateway
from statecharts.conversation import PARTS, ConversationChart
from statecharts.events import Event, TimerFired
from statecharts.guards import AnswerGuards
from statecharts.scene import RETRIEVED_INTENTS
from statecharts.stepping import RunningChart, Snapshot
from statecharts.table import Table, declared

__all__ = ["PLANTS"]


class _RemembersApart(Orchestrator):
    """Remembers which facts it has seen beside the commit: looked up, worked on, noted, and only then committed."""

    noted: set[str]

    def _fold(self, batch: Batch) -> list[Folded]:
        conversations = self._conversations.get(batch.lease.partition, {})
        for conversation in conversations.values():
            conversation.record.seen_marks = b""
        noted = self._notes()
        for entry in batch.entries:
            fact = entry.envelope
            known = conversations.get(fact.session_id) if fact is not None and fact.event_id in noted else None
            if known is not None and fact is not None:
                known.record.is_copy(fact.event_id)
        folded = super()._fold(batch)
        noted.update(outcome.envelope.event_id for outcome in folded)
        return folded

    def _notes(self) -> set[str]:
        """Return the ids noted by all orchestrators of a run: they lie in the bus, beside all else."""
        far = self._bus._far.bus  # type: ignore[attr-defined]  # a link of the simulation
        assert isinstance(far, _NotingBus)
        return far.noted


class _NotingBus(MemoryBus):
    """Has a place for ids."""

    @property
    def noted(self) -> set[str]:
        return self.__dict__.setdefault("_noted", set())  # type: ignore[no-any-return]


class _UnfencedBus(MemoryBus):
    """Commits whatever it is given, whoever gives it."""

    async def commit(self, lease: Lease, after: str, commit: Commit) -> None:
        part = self.parts[lease.partition]
        epoch, part.epoch, part.offset = part.epoch, lease.epoch, after
        try:
            await super().commit(lease, after, commit)
        finally:
            part.epoch = epoch

    async def listen(self, gateway: str) -> AsyncIterator[Command]:
        while True:
            _, command = await self._commands[gateway].get()
            yield command


class _AnyOrders(Orders):
    """Takes any command."""

    def takes(self, command: Command) -> bool:
        self.epoch = command.epoch
        return True


class _ObedientGateway(SimulatedGateway):
    """Obeys any epoch."""

    def __init__(self, bus: EventBus, name: str, clock: Callable[[], float]) -> None:
        super().__init__(bus, name, clock)
        self._orders = defaultdict(_AnyOrders)


def _intent_open(guards: AnswerGuards, fact: Event) -> bool:
    return guards._answering() and not guards._context.intent


def _wanted(guards: AnswerGuards, fact: Event) -> bool:
    context = guards._context
    needed = not context.intent or context.intent in RETRIEVED_INTENTS
    return guards._answering() and needed and not context.retrieved and not context.late


_UNCHECKED: Mapping[str, object] = {"intent_open": _intent_open, "wanted": _wanted}
_TABLE = Table(declared(ConversationChart), PARTS, _UNCHECKED)  # type: ignore[arg-type]  # they are callables


class _ForgetfulChart(RunningChart):
    """Takes a result for one of this turn, whichever it was asked for."""

    def _stale(self, event: Event, name: str) -> str:
        return super()._stale(event, name) if isinstance(event, TimerFired) else ""


class _ForgetsTurns(Orchestrator):
    """Runs charts that do not look at turns."""

    def _fold(self, batch: Batch) -> list[Folded]:
        for conversation in self._conversations.get(batch.lease.partition, {}).values():
            self._replace_chart(conversation)
        return super()._fold(batch)

    def _replace_chart(self, conversation: Conversation) -> None:
        if not isinstance(conversation.chart, _ForgetfulChart):
            record = conversation.record
            at = Snapshot(record.state, record.context)
            conversation.chart = _ForgetfulChart(self._policy, self._phrases, at, _TABLE)
            record.context = conversation.chart.context


PLANTS: Mapping[str, Code] = {
    "dedupe": Code(orchestrator=_RemembersApart, bus=_NotingBus),
    "fence": Code(bus=_UnfencedBus, gateway=_ObedientGateway),
    "turn": Code(orchestrator=_ForgetsTurns),
}
"""By name: ids remembered apart from the commit, no fence, no turn check."""
