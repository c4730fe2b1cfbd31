-- Looks through a page of pending entries for those that nobody leases and that wait for nothing: somebody read them past
-- the queue. They may be taken again. At the last page, consumers that left nothing are forgotten. Answers where the next
-- page begins, or nothing.
local from, page, idle, gone = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local pending = redis.pcall('XPENDING', S, group, from, '+', page)
if is_error(pending) then return '' end
if #pending > 0 then
  local leased = {}
  for _, token in ipairs(redis.call('ZRANGE', leases, 0, -1)) do leased[entry_of(token) or ''] = true end
  for _, item in ipairs(pending) do
    local entry = item[1]
    if item[3] >= idle and not leased[entry] and not redis.call('ZSCORE', delayed, entry) then
      redis.call('ZADD', delayed, now, entry)
      ring()
    end
  end
end
if #pending == page then return '(' .. pending[page][1] end
for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', S, group)) do
  local facts = {}
  for i = 1, #info, 2 do facts[info[i]] = info[i + 1] end
  if facts['pending'] == 0 and facts['idle'] >= gone then
    redis.call('XGROUP', 'DELCONSUMER', S, group, facts['name'])
  end
end
return ''
