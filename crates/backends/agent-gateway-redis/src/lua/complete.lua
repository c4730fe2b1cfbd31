-- 1: settled; 0: not held, and its entry is there; 2: not held, and its entry is gone.
local token, execution = ARGV[2], ARGV[3]
local entry = entry_of(token)
if not entry then return 0 end
if not held(token) or is_of_another(entry, execution) then
  return #redis.call('XRANGE', S, entry, entry) > 0 and 0 or 2
end
redis.call('ZREM', leases, token)
forget(entry, execution)
return 1
