"""What does billing answer over HTTP?"""

from solvent.systems.billing.api import (
    changes,
    coupons,
    credit,
    events,
    invoices,
    items,
    migrations,
    parked,
    simulation,
    taxes,
)

ROUTERS = (
    invoices.router,
    events.router,
    credit.router,
    coupons.router,
    items.router,
    migrations.router,
    changes.router,
    parked.router,
    simulation.router,
    taxes.router,
)
