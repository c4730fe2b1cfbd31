-- Takes back the leases with the given tokens.
for i = 2, #ARGV do give_back(ARGV[i]) end
return 1
