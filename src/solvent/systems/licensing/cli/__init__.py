"""What can be done about licenses at a terminal?"""

from solvent.systems.licensing.cli import inspect, machines, missing, policies
from solvent.systems.licensing.cli.licenses import app

policies.mount(app)
machines.mount(app)
inspect.mount(app)
missing.mount(app)

__all__ = ["app"]
