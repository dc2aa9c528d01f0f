"""In which ways can entitlements refuse?"""

from __future__ import annotations

from solvent.kit.errors import Conflict, Invalid, NotFound


class QuantityMalformed(Invalid):
    """A quantity is a number above 0 with at most 20 digits before the point and 12 after it."""

    code = "entitlements.quantity_malformed"


class KeyMalformed(Invalid):
    """An idempotency key is 1 to 180 printable characters."""

    code = "entitlements.key_malformed"


class NotConsumable(Invalid):
    """Only a quota can be consumed or reserved, and a metered one only if its meter adds up."""

    code = "entitlements.not_consumable"


class KeyConflict(Conflict):
    """This idempotency key was used before for something else."""

    code = "entitlements.key_conflict"


class TimeToLiveMalformed(Invalid):
    """A reservation lasts from 1 second to 24 hours."""

    code = "entitlements.time_to_live_malformed"


class ReservationNotFound(NotFound):
    """There is no such reservation."""

    code = "entitlements.reservation_not_found"


class ReservationExpired(Conflict):
    """The reservation's time is over and what it held is free again."""

    code = "entitlements.reservation_expired"


class ReservationClosed(Conflict):
    """The reservation has been committed or released already."""

    code = "entitlements.reservation_closed"


class CommitTooLarge(Invalid):
    """No more can be committed than was reserved."""

    code = "entitlements.commit_too_large"


class RecordNotFound(NotFound):
    """Nothing is known of what this customer may use: there never was a subscription."""

    code = "entitlements.record_not_found"
