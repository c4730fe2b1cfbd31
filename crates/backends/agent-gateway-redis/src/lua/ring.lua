-- Passes a bell on that was heard and not used.
if redis.call('XLEN', S) > 0 then ring() end
return 1
