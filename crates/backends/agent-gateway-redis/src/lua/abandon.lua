-- Takes back the leases of a claim whose answer never came.
for _, token in ipairs(redis.call('ZRANGE', leases, 0, -1)) do
  if string.sub(token, -#ARGV[2]) == ARGV[2] then give_back(token) end
end
return 1
