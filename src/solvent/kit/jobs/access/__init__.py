"""How do applications of tenants reach the log of jobs, and nothing else of the engine?"""

from solvent.kit.jobs.access.callout import Callout
from solvent.kit.jobs.access.door import Door, DoorSettings
from solvent.kit.jobs.access.grant import SCOPE_SUBMIT, SCOPE_WORK, Admitter, Grant

__all__ = ["SCOPE_SUBMIT", "SCOPE_WORK", "Admitter", "Callout", "Door", "DoorSettings", "Grant"]
