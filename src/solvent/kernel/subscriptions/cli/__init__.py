"""Which commands do subscriptions have?"""

from solvent.kernel.subscriptions.cli.addon import addon
from solvent.kernel.subscriptions.cli.subscription import subscription

COMMANDS = {"subscription": subscription, "addon": addon}
