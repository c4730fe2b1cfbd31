-- Ready, delayed, leased, dead.
local pending = redis.pcall('XPENDING', S, group)
pending = is_error(pending) and 0 or pending[1]
local above = '(' .. string.format('%.0f', now)
local new = math.max(redis.call('XLEN', S) - pending, 0)
local due = redis.call('ZCOUNT', leases, '-inf', now) + redis.call('ZCOUNT', delayed, '-inf', now)
return {
  new + due,
  redis.call('ZCOUNT', delayed, above, '+inf'),
  redis.call('ZCOUNT', leases, above, '+inf'),
  redis.call('XLEN', dead),
}
