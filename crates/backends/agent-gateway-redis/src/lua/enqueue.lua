-- 1: accepted; 0: it is queued already; 2: the queue is full.
local execution, job, capacity = ARGV[2], ARGV[3], tonumber(ARGV[4])
local known = redis.call('HGET', ids, execution)
if known and #redis.call('XRANGE', S, known, known) > 0 then return 0 end
if redis.call('XLEN', S) >= capacity then return 2 end
local entry = redis.call('XADD', S, '*', 'v', '1', 'job', job)
redis.call('HSET', ids, execution, entry)
ring()
return 1
