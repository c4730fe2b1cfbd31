-- Moves an entry to the dead ones. 1: done; 0: not held.
local token, execution, reason, keep = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
-- Of what a stranger added, no more is kept than this.
local MOST_FIELDS, MOST_BYTES = 32, 65536
local entry = entry_of(token)
if not entry or not held(token) or is_of_another(entry, execution) then return 0 end
local found = redis.call('XRANGE', S, entry, entry)[1]
local pending = redis.call('XPENDING', S, group, entry, entry, 1)[1]
local record = { 'reason', reason, 'entry', entry, 'deliveries', pending and pending[4] or 0 }
if found then
  for i = 1, math.min(#found[2], MOST_FIELDS * 2) do
    record[#record + 1] = string.sub(found[2][i], 1, MOST_BYTES)
  end
end
redis.call('XADD', dead, 'MAXLEN', '=', keep, '*', unpack(record))
redis.call('ZREM', leases, token)
forget(entry, execution)
return 1
