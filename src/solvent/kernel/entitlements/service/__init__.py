"""What may be done with entitlements: keep them fresh, check, consume, reserve, show."""

from solvent.kernel.entitlements.rules import describe
from solvent.kernel.entitlements.service.check import SCOPE_READ, check
from solvent.kernel.entitlements.service.consume import SCOPE_WRITE, consume
from solvent.kernel.entitlements.service.refresh import (
    JOB_REFRESH,
    refresh,
    refresh_known,
    refresh_usage,
)
from solvent.kernel.entitlements.service.reserve import (
    commit_reservation,
    release_reservation,
    reserve,
)
from solvent.kernel.entitlements.service.snapshot import get_record, snapshot

__all__ = [
    "JOB_REFRESH",
    "SCOPE_READ",
    "SCOPE_WRITE",
    "check",
    "commit_reservation",
    "consume",
    "describe",
    "get_record",
    "refresh",
    "refresh_known",
    "refresh_usage",
    "release_reservation",
    "reserve",
    "snapshot",
]
