-- Puts an entry back for the time `delay` milliseconds from now. 1: done; 0: not held.
local token, execution, delay = ARGV[2], ARGV[3], tonumber(ARGV[4])
local entry = entry_of(token)
if not entry or not held(token) or is_of_another(entry, execution) then return 0 end
redis.call('ZREM', leases, token)
redis.call('ZADD', delayed, now + delay, entry)
-- Also for a delay: whoever waits learns of the time to look.
ring()
return 1
