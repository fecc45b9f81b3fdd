"""The steps that must happen whole: each is one script, on the keys of one partition."""

from __future__ import annotations

__all__ = [
    "ACQUIRE", "ANNOUNCE", "DROP_WORKERS", "HOLD", "MEMBERS", "PUT_ASIDE", "RELEASE", "RENEW", "RETAKE",
    "TAKE_LETTER",
]  # fmt: skip

ACQUIRE = """
-- KEYS lease, epoch; ARGV owner, ttl in ms. Returns the new epoch, or 0 if somebody has the lease.
-- It starts from the server's clock: a server that lost its data must not begin again below what gateways obeyed.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local epoch = math.max(redis.call('INCR', KEYS[2]), tonumber(redis.call('TIME')[1]))
redis.call('SET', KEYS[2], epoch)
redis.call('SET', KEYS[1], ARGV[1] .. ':' .. epoch, 'PX', ARGV[2])
return epoch
"""

RENEW = """
-- KEYS lease; ARGV owner:epoch, ttl in ms. Returns 1, or 0 if the lease is over.
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""

RELEASE = """
-- KEYS lease; ARGV owner:epoch.
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""

HOLD = """
-- KEYS tasks; ARGV group, worker, idle time in ms to be set, position*.
-- Only what is still in this worker's hands: while it was frozen another may have taken it.
for i = 4, #ARGV do
  if redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])[1] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'IDLE', ARGV[3], 'JUSTID')
  end
end
return 1
"""

RETAKE = """
-- KEYS tasks; ARGV group, worker, position. Returns the request, delivered once more, if this worker still has it.
if not redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])[1] then return {} end
return redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3])
"""

PUT_ASIDE = """
-- KEYS tasks, dead letters; ARGV group, position, letter, how many letters are kept. Returns 1, or 0 if it was settled.
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('XDEL', KEYS[1], ARGV[2])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', 'data', ARGV[3])
return 1
"""

TAKE_LETTER = """
-- KEYS dead letters, and tasks if it is to be tried again; ARGV position, request. Returns 1, or 0 if it is not there.
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
if KEYS[2] then redis.call('XADD', KEYS[2], '*', 'data', ARGV[2]) end
return 1
"""

ANNOUNCE = """
-- KEYS presence; ARGV name, ttl in s. The server's clock counts, so that no two machines need to agree.
local now = redis.call('TIME')
now = now[1] + now[2] / 1000000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('EXPIRE', KEYS[1], 3600)
return 1
"""

MEMBERS = """
-- KEYS presence
local now = redis.call('TIME')
return redis.call('ZRANGEBYSCORE', KEYS[1], now[1] + now[2] / 1000000, '+inf')
"""

DROP_WORKERS = """
-- KEYS tasks; ARGV group, how long a worker was idle in ms. Removes those that hold nothing; one that lives, returns.
local told = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if told.err then return 0 end -- there is no such stream, or nobody ever worked there
for _, consumer in ipairs(told) do
  local facts = {}
  for at = 1, #consumer, 2 do facts[consumer[at]] = consumer[at + 1] end
  if facts['pending'] == 0 and facts['idle'] > tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], facts['name'])
  end
end
return 1
"""
