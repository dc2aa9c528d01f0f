"""Which routes does revenue have?"""

from solvent.systems.revenue.api import policy, reports

ROUTERS = (reports.router, policy.router)
