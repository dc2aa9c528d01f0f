"""Which scopes does revenue ask for?"""

SCOPE_READ = "revenue:read"
SCOPE_WRITE = "revenue:write"
