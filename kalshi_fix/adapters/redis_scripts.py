"""The Lua scripts that write to the store under a condition: checks first, writes after.

A script that fails is not rolled back, so nothing is written before everything is checked, and the
first write is the one the server may still refuse (an explicit id that is not above the last one).
Redis 6.2 commands only. An error reply starts with one word that the bus turns into an exception.
"""

from typing import Final

FENCED: Final = "FENCED"
STALE_OFFSET: Final = "STALEOFF"

# KEYS st lead   ARGV owner lease_ms   -> {token, term, offset id, chunk} or nil
ACQUIRE: Final = """
if redis.call('EXISTS', KEYS[2]) == 1 then return false end
local term = redis.call('HINCRBY', KEYS[1], 'term', 1)
local token = term .. ':' .. ARGV[1]
redis.call('HSET', KEYS[1], 'tok', token)
redis.call('SET', KEYS[2], token, 'PX', ARGV[2])
return {token, term, redis.call('HGET', KEYS[1], 'off') or '0-0',
        redis.call('HGET', KEYS[1], 'chunk') or '0'}
"""

# KEYS st lead   ARGV token lease_ms
RENEW: Final = """
local token = redis.call('HGET', KEYS[1], 'tok')
if token ~= ARGV[1] then return redis.error_reply('FENCED by ' .. tostring(token)) end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return 1
"""

# KEYS st lead   ARGV token
RELEASE: Final = """
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
return 1
"""

# KEYS st lead evt   ARGV token, offset before, chunk before, offset after, chunk after, lease_ms,
#                         then id, payload of each entry
COMMIT: Final = """
local st = redis.call('HMGET', KEYS[1], 'tok', 'off', 'chunk')
if st[1] ~= ARGV[1] then return redis.error_reply('FENCED by ' .. tostring(st[1])) end
if (st[2] or '0-0') ~= ARGV[2] or (st[3] or '0') ~= ARGV[3] then
  return redis.error_reply('STALEOFF ' .. tostring(st[2]) .. ' ' .. tostring(st[3]))
end
for i = 7, #ARGV, 2 do redis.call('XADD', KEYS[3], ARGV[i], 'd', ARGV[i + 1]) end
redis.call('HSET', KEYS[1], 'off', ARGV[4], 'chunk', ARGV[5])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[6])
return 1
"""

# KEYS cmd seed   ARGV payload, then name, id before, id after of each seed   -> entry id or nil
SEED: Final = """
for i = 2, #ARGV, 3 do
  if (redis.call('HGET', KEYS[2], ARGV[i]) or '') ~= ARGV[i + 1] then return false end
end
local id = redis.call('XADD', KEYS[1], '*', 'd', ARGV[1])
for i = 2, #ARGV, 3 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 2]) end
return id
"""

# KEYS cmd lane   ARGV field of the holder, holder, payload   -> entry id
APPEND: Final = """
local holder = redis.call('HGET', KEYS[2], ARGV[1]) or ''
if holder ~= ARGV[2] then return redis.error_reply('FENCED by ' .. holder) end
return redis.call('XADD', KEYS[1], '*', 'd', ARGV[3])
"""

# KEYS pos lane   ARGV reader, position, holder, note
KEEP_LANE: Final = """
local holder = redis.call('HGET', KEYS[2], ARGV[1] .. '/holder') or ''
if holder ~= ARGV[3] then return redis.error_reply('FENCED by ' .. holder) end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[1] .. '/note', ARGV[4])
return 1
"""

# KEYS lane   ARGV reader, holder before, holder after
TAKE_LANE: Final = """
if (redis.call('HGET', KEYS[1], ARGV[1] .. '/holder') or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1] .. '/holder', ARGV[3])
return 1
"""

ALL: Final = (ACQUIRE, RENEW, RELEASE, COMMIT, SEED, APPEND, KEEP_LANE, TAKE_LANE)
