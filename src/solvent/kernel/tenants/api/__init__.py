"""What do tenants answer over HTTP?"""

from solvent.kernel.tenants.api import (
    clock,
    customers,
    keys,
    members,
    public,
    sessions,
    tenant,
)

ROUTERS = (
    tenant.router,
    members.router,
    keys.router,
    customers.router,
    clock.router,
    public.router,
    sessions.public,
    sessions.router,
)
