"""What do subscriptions answer over HTTP?"""

from solvent.kernel.subscriptions.api import addons, subscriptions

ROUTERS = (subscriptions.router, addons.router)
