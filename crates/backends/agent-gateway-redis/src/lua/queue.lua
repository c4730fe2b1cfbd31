-- What every script of the queue shares. An entry is leased (in `leases` as `<entry>:<nonce>`, scored with the end of its
-- lease), it waits (in `delayed` as `<entry>`, scored with the time at which it may be taken), or it is new.
-- Leased and waiting entries are pending in the group, whose delivery counter is the one that is told.
local S, leases, delayed, ids, bell, dead = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local group = ARGV[1]

-- The server's clock, in milliseconds: those of the clients may differ.
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local now = clock()

-- Wakes one of those who wait, or whoever waits next. One bell is enough: who takes all it asked for rings again.
local function ring()
  if redis.call('LLEN', bell) == 0 then
    redis.call('RPUSH', bell, '1')
  end
end

-- Makes the group; answers an error, or nothing.
local function make_group()
  local made = redis.pcall('XGROUP', 'CREATE', S, group, '0', 'MKSTREAM')
  if made.err then
    if string.find(made.err, 'BUSYGROUP', 1, true) then return nil end
    return made
  end
  -- A group that had to be made knows nothing of who held what: leases of before are void.
  redis.call('DEL', leases, delayed)
  if redis.call('XLEN', S) == 0 then redis.call('DEL', ids) end
  return nil
end

local function is_error(reply, code)
  return type(reply) == 'table' and reply.err and (not code or string.find(reply.err, code, 1, true))
end

local function entry_of(member)
  return string.match(member, '^%d+%-%d+')
end

-- Whether a lease is held: it was given, was not settled, and has not run out.
local function held(token)
  local ends = redis.call('ZSCORE', leases, token)
  return ends and tonumber(ends) > now
end

-- Whether the lease's entry is that of another execution. Entries that somebody else added are in no list.
local function is_of_another(entry, execution)
  local known = redis.call('HGET', ids, execution)
  return known and known ~= entry
end

-- Forgets an entry for good.
local function forget(entry, execution)
  redis.call('XACK', S, group, entry)
  redis.call('XDEL', S, entry)
  if redis.call('HGET', ids, execution) == entry then
    redis.call('HDEL', ids, execution)
  end
  if redis.call('XLEN', S) == 0 then redis.call('DEL', bell) end
end

-- Takes an entry back from a lease without counting the delivery, and puts it before all others.
local function give_back(token)
  local entry = entry_of(token)
  if not entry or not held(token) then return end
  redis.call('ZREM', leases, token)
  local pending = redis.call('XPENDING', S, group, entry, entry, 1)[1]
  if not pending then return end
  redis.call('XCLAIM', S, group, pending[2], 0, entry, 'RETRYCOUNT', math.max(pending[4] - 1, 0), 'JUSTID')
  redis.call('ZADD', delayed, 0, entry)
  ring()
end
