"""Was this computer's clock set back? Judged by what the machine itself saw of later times.

A clock may be wrong by `TOLERANCE_S` without anything being said: drift, a computer whose firmware
keeps local time over a change of daylight saving time, a time server that steps it. Everything is
UTC, so that daylight saving time and travel change nothing in themselves.
"""

import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, cast

TOLERANCE_S: Final = 2 * 3600
FIRMWARE_TOLERANCE_S: Final = 26 * 3600
"""A firmware clock may keep local time, up to 14 hours from UTC, or even 26 from another zone."""

_SYSTEM_PLACES: Final = (
    "/var/lib/systemd/timesync/clock",
    "/var/lib/chrony/drift",
    "/var/log/wtmp",
    "/var/log/journal",
    "/run/utmp",
    "/var/db/timed",
)


class Reading(NamedTuple):
    """What the clocks say in one moment: seconds since 1970, and since the machine was started."""

    wall: int
    boot_id: str | None = None
    since_boot_s: int = 0

    def to_json(self) -> dict[str, object]:
        """Return it as the store keeps it."""
        return dict(self._asdict())


class Evidence(NamedTuple):
    """One reason to believe that it is at least `at` now."""

    source: str
    at: int
    tolerance_s: int = TOLERANCE_S


class SetBack(NamedTuple):
    """The clock is behind what was seen: which evidence says so, and what it says."""

    source: str
    at: int


def reading_of(told: object) -> Reading | None:
    """Return a reading that was kept, or None if that is not one."""
    if not isinstance(told, dict):
        return None
    kept = cast("Mapping[str, object]", told)
    wall, boot_id, since = kept.get("wall"), kept.get("boot_id"), kept.get("since_boot_s")
    if not isinstance(wall, int) or not isinstance(since, int):
        return None
    return Reading(wall, boot_id if isinstance(boot_id, str) else None, since)


def judge(now: Reading, seen: Iterable[Reading], more: Iterable[Evidence] = ()) -> SetBack | None:
    """Return the strongest evidence that the clock was set back, None if there is none.

    Args:
        now: the clocks now.
        seen: what they said when this program ran before.
        more: what else bears witness: files of the system, the firmware, signed moments.
    """
    every = [*more]
    for then in seen:
        every.append(Evidence("last_run", then.wall))
        if then.boot_id is not None and then.boot_id == now.boot_id:
            # CLOCK_BOOTTIME runs through sleep and cannot be set. That it runs backwards under
            # the same boot id is a snapshot of a running virtual machine, put back.
            elapsed = now.since_boot_s - then.since_boot_s
            every.append(Evidence("same_boot", then.wall + max(elapsed, 0)))
            if elapsed < -TOLERANCE_S:
                return SetBack("snapshot", then.wall)
    late = [one for one in every if now.wall < one.at - one.tolerance_s]
    strongest = max(late, key=lambda one: one.at, default=None)
    return None if strongest is None else SetBack(strongest.source, strongest.at)


# ------------------------------------------------------------------------------ reading the machine


def read() -> Reading:
    """Return what the clocks of this machine say."""
    since_boot_s = time.monotonic()
    if sys.platform == "linux":
        since_boot_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    return Reading(int(time.time()), _boot_id(), int(since_boot_s))


def _boot_id() -> str | None:
    """Return what only this start of the machine is called; None where that cannot be known."""
    if sys.platform == "linux":
        with suppress(OSError):
            return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return None


def witnesses(own_files: Iterable[Path] = (), *, root: Path = Path("/")) -> list[Evidence]:
    """Return what the machine's files and its firmware say of the time.

    Args:
        own_files: what this program wrote itself.
        root: where the system's files stand; only tests have them elsewhere.
    """
    found = [Evidence("own_file", at) for path in own_files if (at := _changed_at(path))]
    for place in _SYSTEM_PLACES:
        at = _changed_at(root / place.lstrip("/"), owner=0)
        if at:
            found.append(Evidence("system_file", at))
    with suppress(OSError, ValueError):
        firmware = int((root / "sys/class/rtc/rtc0/since_epoch").read_text("ascii"))
        found.append(Evidence("firmware", firmware, FIRMWARE_TOLERANCE_S))
    return found


def _changed_at(path: Path, *, owner: int | None = None) -> int | None:
    """Return when a file was changed; None if there is none, or it is not the owner's.

    Only files of the system's own account bear witness of the system: anybody may date their own.
    """
    with suppress(OSError):
        told = path.stat()
        if owner is None or told.st_uid == owner:
            return int(told.st_mtime)
    return None
