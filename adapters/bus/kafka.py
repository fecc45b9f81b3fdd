"""The bus on Kafka: facts in one topic, and in another all that was made of them, one record a commit.

Nothing of Kafka's transactions is used, nor its consumer groups. A commit is one record, so it is there whole or not
at all; every process reads the records of a partition in the same order and therefore agrees on which of them count
(`kafka_state`). So outputs are derived once from each commit that happened, whoever wrote into the log meanwhile.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence

import structlog

from adapters.bus.codec import encode_envelope, request_again
from adapters.bus.held_request import MIN_IDLE_S
from adapters.bus.kafka_commits import CommitLog
from adapters.bus.kafka_history import KafkaHistory
from adapters.bus.kafka_link import EVENTS, KafkaLink, Place
from adapters.bus.kafka_ownership import KafkaOwnership
from adapters.bus.kafka_presence import Presence
from adapters.bus.kafka_records import LetterTaken, Requested, Sent
from adapters.bus.kafka_workers import KafkaSubscription
from adapters.bus.port import REQUEST_S, Command, LogEntry, partition_of
from adapters.bus.redis_ownership import LEASE_S
from statecharts.events import Envelope

__all__ = ["KafkaBus"]

_log = structlog.get_logger()


class KafkaBus:
    """The bus on the brokers of an address.

    Args:
        url: `kafka://host:port,host:port?fetch_max_wait_ms=10`.
        partitions: How many there are to be; topics that are there already decide themselves.
        lease_s: How long an owner that says nothing is taken for alive.
        min_idle_s: After how long a request whose worker is silent is handed out again.
    """

    def __init__(
        self, url: str, *, partitions: int = 16, lease_s: float = LEASE_S, min_idle_s: float = MIN_IDLE_S
    ) -> None:
        self.link = KafkaLink(url)
        self._wanted = partitions
        self._lease_s = lease_s
        self.min_idle_s = min_idle_s
        self._presence = Presence(self.link)
        self._commits = CommitLog(self.link, self._presence, partitions)
        self._history = KafkaHistory(self.link, self._commits)
        self._owners: set[str] = set()
        self._subscriptions: list[KafkaSubscription] = []
        self._mirror_told = False

    @property
    def partitions(self) -> int:
        return len(self._commits.states)

    async def start(self) -> None:
        try:
            partitions = await self.link.start(self._wanted)
            self._commits = CommitLog(self.link, self._presence, partitions)
            self._history = KafkaHistory(self.link, self._commits)
            await self._commits.start()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        for subscription in self._subscriptions:
            subscription.stop()
        await self._commits.close()
        await self.link.close()

    async def ping(self) -> None:
        await self.link.ends([self._presence.place])

    async def publish(self, *envelopes: Envelope) -> list[str]:
        offsets = await self.link.append_all(
            [
                (Place(EVENTS, self._partition(envelope.session_id)), envelope.session_id, encode_envelope(envelope))
                for envelope in envelopes
            ]
        )
        return [str(offset + 1) for offset in offsets]

    def own(self, owner: str) -> KafkaOwnership:
        self._owners.add(owner)
        return KafkaOwnership(self.link, self._commits, self._presence, owner, self._lease_s)

    async def request(self, kind: str, envelope: Envelope) -> None:
        record = Requested(id=uuid.uuid4().hex, kind=kind, envelope=envelope, keep_s=REQUEST_S)
        await self._commits.append(self._partition(envelope.session_id), record)

    def subscribe(self, kind: str, worker: str) -> KafkaSubscription:
        made = KafkaSubscription(self._commits, self._presence, kind, worker, self.min_idle_s)
        self._subscriptions.append(made)
        return made

    async def dead_letters(self) -> list[Envelope]:
        await self._commits.catch_up(range(self.partitions))
        letters = [letter for state in self._commits.states for letter in state.letters.values()]
        return sorted(letters, key=lambda letter: letter.timestamp)

    async def take_dead_letter(self, letter: Envelope, *, retry: bool) -> bool:
        kind, request = request_again(letter) if retry else ("", None)
        record = LetterTaken(id=uuid.uuid4().hex, event_id=letter.event_id, kind=kind, request=request)
        return await self._commits.append(self._partition(letter.session_id), record) == "done"

    async def send(self, gateway: str, command: Command) -> None:
        record = Sent(id=uuid.uuid4().hex, gateway=gateway, command=command)
        await self._commits.append(self._partition(command.session_id), record)

    def listen(self, gateway: str) -> AsyncIterator[Command]:
        return self._commits.commands(gateway)

    async def replay(self, session_id: str, after: str = "") -> list[LogEntry]:
        return await self._history.replay(self._partition(session_id), session_id, after)

    async def journal(self, session_id: str, since: str = "") -> list[bytes]:
        return await self._history.journal(self._partition(session_id), session_id, since)

    async def snapshot(self, session_id: str) -> bytes | None:
        partition = self._partition(session_id)
        await self._commits.catch_up([partition])
        return self._commits.states[partition].snapshots.get(session_id)

    async def all_snapshots(self) -> dict[str, bytes]:
        await self._commits.catch_up(range(self.partitions))
        return {session_id: blob for state in self._commits.states for session_id, blob in state.snapshots.items()}

    async def mirror(self, envelopes: Sequence[Envelope], states: dict[str, tuple[str, float]]) -> None:
        """Do nothing: the view is for plain Redis commands, and the topics can be read as they are."""
        if not self._mirror_told:
            _log.debug("no_session_view", bus="kafka")
        self._mirror_told = True

    async def erase(self, session_id: str) -> None:
        await self._history.erase(self._partition(session_id), session_id)

    async def trim(self, older_than_s: float) -> None:
        ours = [partition for partition, state in enumerate(self._commits.states) if state.owner in self._owners]
        await self._history.trim(ours, older_than_s)

    async def announce(self, role: str, name: str, ttl_s: float) -> None:
        await self._presence.announce(role, name, ttl_s)

    async def members(self, role: str) -> list[str]:
        await self._commits.catch_up_presence()
        return self._presence.members(role)

    def _partition(self, session_id: str) -> int:
        return partition_of(session_id, self.partitions)
