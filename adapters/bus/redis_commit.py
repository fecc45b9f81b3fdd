"""An owner's commit on Redis: one script that makes all of an outcome true, or nothing."""

from __future__ import annotations

import msgspec

from adapters.bus.codec import encode_command, encode_envelope, stamped
from adapters.bus.port import Commit, Lease
from adapters.bus.redis_link import Keys

__all__ = ["COMMIT", "commit_words"]

COMMIT = """
-- KEYS epoch, offset, snapshots, journal, events, then the stream of each output.
-- ARGV epoch, expected offset, new offset, SHA-1 of the fact there, number of snapshots, (session, state)*, number of
-- records, record*, output*
-- The fence is the epoch, not the lease: a lease that ran out and that nobody took may still commit.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'FENCED' end
local offset = redis.call('GET', KEYS[2]) or '0-0'
if offset ~= ARGV[2] then return 'STALE ' .. offset end
-- What was read from a master that has been replaced, and did not know it yet, may never have come here; and other
-- facts have, before that position or at it.
local fact = redis.call('XRANGE', KEYS[5], ARGV[3], ARGV[3])[1]
if not fact then return 'ASTRAY ' .. ARGV[3] end
for i = 1, #fact[2], 2 do
  if ARGV[4] ~= '' and fact[2][i] == 'data' and redis.sha1hex(fact[2][i + 1]) ~= ARGV[4] then
    return 'ASTRAY ' .. ARGV[3]
  end
end
local at = 6
for _ = 1, tonumber(ARGV[5]) do
  if ARGV[at + 1] == '' then redis.call('HDEL', KEYS[3], ARGV[at])
  else redis.call('HSET', KEYS[3], ARGV[at], ARGV[at + 1]) end
  at = at + 2
end
local records = tonumber(ARGV[at])
for i = 1, records do redis.call('XADD', KEYS[4], '*', 'data', ARGV[at + i]) end
at = at + records + 1
for i = 6, #KEYS do
  redis.call('XADD', KEYS[i], '*', 'data', ARGV[at + i - 6])
  -- Commands for a gateway that died have no reader left: they go by themselves.
  if string.find(KEYS[i], '^voice:gateway:') then redis.call('EXPIRE', KEYS[i], 3600) end
end
redis.call('SET', KEYS[2], ARGV[3])
return 'OK'
"""


def commit_words(
    keys: Keys, lease: Lease, after: str, digest: str, commit: Commit
) -> tuple[list[str], list[str | bytes | float]]:
    """Return the keys and arguments of the script.

    Args:
        keys: Their names.
        lease: Under which it is committed.
        after: Up to where the partition was committed before.
        digest: SHA-1 of the last fact, as it was read; empty if that is not known.
        commit: The outcome.
    """
    partition = lease.partition
    outputs = [
        (keys.tasks(kind, partition), encode_envelope(stamped(envelope, lease.epoch)))
        for kind, envelope in commit.tasks
    ] + [
        (keys.gateway(gateway, partition), encode_command(msgspec.structs.replace(command, epoch=lease.epoch)))
        for gateway, command in commit.commands
    ]
    names = [
        keys.epoch(partition), keys.offset(partition), keys.snapshots(partition), keys.journal(partition),
        keys.events(partition), *(stream for stream, _ in outputs),
    ]  # fmt: skip
    words: list[str | bytes | float] = [lease.epoch, after, commit.upto, digest, len(commit.snapshots)]
    for session_id, blob in commit.snapshots.items():
        words += [session_id, blob]
    return names, [*words, len(commit.journal), *commit.journal, *(data for _, data in outputs)]
