-- 1: extended; 0: not held.
local token, execution, by = ARGV[2], ARGV[3], tonumber(ARGV[4])
if not held(token) or is_of_another(entry_of(token), execution) then return 0 end
local before = tonumber(redis.call('ZSCORE', leases, token))
redis.call('ZADD', leases, now + by, token)
-- Whoever waits must learn that there is an earlier time to look.
if now + by < before then ring() end
return 1
