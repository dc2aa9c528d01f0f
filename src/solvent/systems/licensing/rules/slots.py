"""Is there room for one more machine on a license?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from solvent.systems.licensing.errors import FilesAlive, SlotsTaken
from solvent.systems.licensing.model import Activation, License

PERCENT = 100


def allowed(held: License) -> int | None:
    """Return how many slots may be taken, over-use included; None is any number."""
    return None if held.slots is None else held.slots * held.policy.overuse_percent // PERCENT


def takes_slot(one: Activation, now: datetime) -> bool:
    """Return whether an activation is in the way of others.

    One that ended is, until its file has expired or the machine has proved that it is destroyed:
    else whoever clicks on "deactivate" would run on with the file, beside the next machine.
    """
    if one.ended_at is None:
        return one.lease_until is None or one.lease_until >= now
    return not one.proven and has_live_file(one, now)


def has_live_file(one: Activation, now: datetime) -> bool:
    """Return whether a file of it may still be believed somewhere, destroyed or not."""
    return one.file_until is not None and one.file_until >= now


def check_room(
    held: License, others: Sequence[Activation], mine: Activation | None, *, now: datetime
) -> None:
    """Let a machine pass that has a slot, or finds one.

    Where fewer slots are left than are taken (a smaller plan, say), the oldest keep theirs. Proofs
    free slots, but a proof cannot show that no copy was made first: so files that are alive are
    bounded too, or a loop of activating and deactivating would mint any number of them.

    Raises:
        SlotsTaken: all slots are taken.
        FilesAlive: too many machines have moved on with a file that is still alive.
    """
    most = allowed(held)
    if most is None:
        return
    holds = mine is not None and takes_slot(mine, now)
    ahead = [one for one in others if not holds or (mine and one.id < mine.id)]
    if sum(takes_slot(one, now) for one in ahead) >= most:
        raise SlotsTaken(limit=most)
    if mine is not None and has_live_file(mine, now):
        return
    alive = [one.file_until for one in others if one.file_until and has_live_file(one, now)]
    if len(alive) >= most + held.policy.spare_files:
        raise FilesAlive(alive=len(alive), until=min(alive).isoformat())
