-- Takes up to `count` entries for a consumer. Answers them as {entry, delivery, fields}, and the milliseconds until a lease
-- ends or a delay is over, -1 when there is none.
local consumer, count, visibility, nonce = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local taken = {}

local function take(entry, delivery, fields)
  taken[#taken + 1] = { entry, delivery, fields }
  redis.call('ZADD', leases, now + visibility, entry .. ':' .. nonce)
end

-- Those whose lease has run out or whose delay is over, the longest waiting first.
local due = {}
for _, set in ipairs({ leases, delayed }) do
  local found = redis.call('ZRANGEBYSCORE', set, '-inf', now, 'WITHSCORES', 'LIMIT', 0, count)
  for i = 1, #found, 2 do
    due[#due + 1] = { set = set, member = found[i], at = tonumber(found[i + 1]) }
  end
end

-- When the next new entries were added; nothing when the group is gone.
local function peek()
  local groups = redis.pcall('XINFO', 'GROUPS', S)
  if is_error(groups) then return nil end
  for _, info in ipairs(groups) do
    local facts = {}
    for i = 1, #info, 2 do facts[info[i]] = info[i + 1] end
    if facts['name'] == group then
      local times = {}
      for _, entry in ipairs(redis.call('XRANGE', S, '(' .. facts['last-delivered-id'], '+', 'COUNT', count)) do
        times[#times + 1] = tonumber(string.match(entry[1], '^%d+'))
      end
      return times
    end
  end
  return nil
end

-- Redelivered entries stand in line with new ones, by the time since when they could be taken: neither starves the other.
local old, new = 0, count
if #due > 0 then
  table.sort(due, function(a, b) return a.at < b.at end)
  local times = peek()
  if times then
    new = 0
    while old + new < count and (old < #due or new < #times) do
      if old < #due and (new >= #times or due[old + 1].at <= times[new + 1]) then
        old = old + 1
      else
        new = new + 1
      end
    end
  end
end

for i = 1, old do
  redis.call('ZREM', due[i].set, due[i].member)
  local entry = entry_of(due[i].member)
  if entry then
    local claimed = redis.call('XCLAIM', S, group, consumer, 0, entry)[1]
    if claimed and claimed[2] then
      local pending = redis.call('XPENDING', S, group, entry, entry, 1)[1]
      take(entry, pending[4], claimed[2])
    else
      -- Somebody deleted it from the stream.
      redis.call('XACK', S, group, entry)
    end
  end
end

if new > 0 then
  local function read()
    return redis.pcall('XREADGROUP', 'GROUP', group, consumer, 'COUNT', new, 'STREAMS', S, '>')
  end
  local found = read()
  if is_error(found, 'NOGROUP') then
    local failed = make_group()
    if failed then return failed end
    found = read()
  end
  if is_error(found) then return found end
  if found then
    for _, entry in ipairs(found[1][2]) do take(entry[1], 1, entry[2]) end
  end
end

if #taken >= count then
  ring()
elseif #taken == 0 then
  redis.call('DEL', bell)
  if redis.call('XLEN', S) == 0 then redis.call('DEL', ids) end
end

local wait = -1
for _, set in ipairs({ leases, delayed }) do
  local first = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')
  if first[2] then
    local left = math.max(tonumber(first[2]) - now, 0)
    if wait < 0 or left < wait then wait = left end
  end
end
return { taken, wait }
