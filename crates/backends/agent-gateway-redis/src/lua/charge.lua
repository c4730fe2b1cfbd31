-- Answers the units that the charge found. They are kept as `<left> <microseconds>`, until all of them are back.
local burst, units, per, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local ROUNDING = 1e-6
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local there = burst
local kept = redis.call('GET', KEYS[1])
if kept then
  local left, at = string.match(kept, '^(%S+) (%d+)$')
  if left then
    there = math.min(burst, tonumber(left) + math.max(now - tonumber(at), 0) * units / per)
  end
end
local left = there
if there + ROUNDING >= cost then left = math.max(there - cost, 0) end
if cost > 0 then
  local back = math.min(math.ceil((burst - left) * per / units / 1000) + 1, 1e14)
  redis.call('SET', KEYS[1], string.format('%.17g %.0f', left, now), 'PX', string.format('%.0f', back))
end
return string.format('%.17g', there)
