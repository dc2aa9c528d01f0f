"""Should there be more workers or fewer, given what is seen and remembered?

Out: the mean CPU of the serving workers above the bound in `samples` samples in a row, or work that
no worker below the bounds takes. In: a worker that held no job for `idle_s` while nothing was
pending is drained and then stopped. Between two changes lies the cool-down; only the minimum does
not wait for it. Beats alone keep nobody awake: the idle clock looks at jobs held.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean

from solvent.kit.jobs.scale.model import Act, Decision, Member, Pool, S, Sample, Seen, Standing

FAILURES_COUNTED_MAX = 4
"""Each start that comes to nothing doubles the pause before the next, up to 16 cool-downs."""

BELOW, CPU, UNSERVED, IDLE = "below_minimum", "cpu_high", "no_worker_free", "idle"
DRAINED, DRAIN_TIMEOUT, NOT_READY = "drained", "drain_timeout", "not_ready_in_time"


def step(was: Standing, pool: Pool, sample: Sample) -> tuple[Standing, tuple[Decision, ...]]:
    """Return what is remembered from now on and what is to be done, in this order."""
    now = _observe(was, pool, sample)
    now, endings = _end(now, pool, sample)
    now, change = _change(now, pool, sample)
    return now, (*endings, *change)


def inputs(standing: Standing, pool: Pool, sample: Sample) -> dict[str, float | int | str]:
    """Return all that a decision is made of, for its record."""
    mean = mean_cpu(standing, sample)
    return {
        "cpu_mean": -1.0 if mean is None else round(mean, 4),
        "high_samples": standing.high,
        "pending": sample.pending,
        "held": sum(one.held for one in sample.workers),
        "serving": len(serving(standing, sample)),
        "running": len(sample.running),
        "asked": len(standing.asked),
        "least": pool.least,
        "most": pool.most,
        "out_above": pool.out_above,
        "since_change_s": round((sample.at_ns - standing.changed_ns) / S, 3),
    }


def serving(standing: Standing, sample: Sample) -> list[Seen]:
    """Return the workers that take jobs and are not to be let go."""
    members = standing.members
    return [
        one
        for one in sample.workers
        if one.serves and one.name in members and not members[one.name].drain_ns
    ]


def mean_cpu(standing: Standing, sample: Sample) -> float | None:
    """Return the mean share of CPU of the serving workers; None where there are none."""
    shares = [one.cpu for one in serving(standing, sample)]
    return fmean(shares) if shares else None


# ------------------------------------------------------------------------------ what is remembered


def _observe(was: Standing, pool: Pool, sample: Sample) -> Standing:
    at = sample.at_ns
    new = sorted(sample.running - was.members.keys())
    known = {name: one for name, one in was.members.items() if name in sample.running}
    seen = {one.name: one for one in sample.workers}
    born = {name: Member(at) for name in new}
    members = {name: _watch(one, seen.get(name), at) for name, one in (known | born).items()}
    late = at - round(pool.start_s * S)
    waited = tuple(moment for moment in was.asked[len(new) :] if moment > late)
    quiet_ns = 0 if sample.pending else was.quiet_ns or at
    now = replace(was, members=members, asked=waited, quiet_ns=quiet_ns)
    if any(one.served for one in members.values() if one.since_ns > was.changed_ns):
        now = replace(now, failures=0)
    mean = mean_cpu(now, sample)
    return replace(now, high=was.high + 1 if mean is not None and mean > pool.out_above else 0)


def _watch(member: Member, seen: Seen | None, at: int) -> Member:
    if seen is None:
        return replace(member, idle_ns=0)
    idle_ns = 0 if seen.held or not seen.serves else member.idle_ns or at
    return replace(member, served=member.served or seen.serves, idle_ns=idle_ns)


# --------------------------------------------------------------------------------- who is let go


def _end(now: Standing, pool: Pool, sample: Sample) -> tuple[Standing, list[Decision]]:
    """Stop who has nothing left to do, requeue what takes too long, give up who never came."""
    held = {one.name: one.held for one in sample.workers}
    made: list[Decision] = []
    members: dict[str, Member] = dict(now.members)
    failures = now.failures
    for name, member in now.members.items():
        decisions = _ending(name, member, pool, held=held.get(name, 0), at=sample.at_ns)
        if decisions:
            made += decisions
            members[name] = replace(member, stopped=True, drain_ns=member.drain_ns or sample.at_ns)
            failures += decisions[0].act is Act.GIVE_UP
    changed_ns = sample.at_ns if failures > now.failures else now.changed_ns
    return replace(now, members=members, failures=failures, changed_ns=changed_ns), made


def _ending(name: str, member: Member, pool: Pool, *, held: int, at: int) -> list[Decision]:
    if member.stopped:
        return []
    if member.drain_ns and not held:
        return [Decision(Act.STOP, DRAINED, name)]
    if member.drain_ns and at - member.drain_ns >= pool.drain_s * S:
        return [Decision(Act.REQUEUE, DRAIN_TIMEOUT, name), Decision(Act.STOP, DRAIN_TIMEOUT, name)]
    if not member.served and at - member.since_ns >= pool.start_s * S:
        return [Decision(Act.GIVE_UP, NOT_READY, name)]
    return []


# --------------------------------------------------------------------------------- more or fewer


def _change(now: Standing, pool: Pool, sample: Sample) -> tuple[Standing, list[Decision]]:
    kept = [name for name, one in now.members.items() if not one.drain_ns]
    total = len(kept) + len(now.asked)
    if total < pool.least:
        return _start(now, pool, sample.at_ns, BELOW, count=pool.least - total)
    if not _is_cool(now, pool, sample.at_ns):
        return now, []
    reason = _reason_to_grow(now, pool, sample, kept)
    if reason and total < pool.most:
        return _start(now, pool, sample.at_ns, reason, count=1)
    if reason:
        told = [] if now.told_most else [Decision(Act.AT_MOST, reason)]
        return replace(now, told_most=True), told
    return _shrink(replace(now, told_most=False), pool, sample, total)


def _reason_to_grow(now: Standing, pool: Pool, sample: Sample, kept: list[str]) -> str:
    has_work = sample.pending or any(one.held for one in sample.workers)
    if now.high >= pool.samples and has_work:
        return CPU  # without work it is somebody else who keeps the machine busy
    coming = len(now.asked) + sum(not now.members[name].served for name in kept)
    return UNSERVED if sample.wanting and sample.pending and not coming else ""


def _start(
    now: Standing, pool: Pool, at: int, reason: str, *, count: int
) -> tuple[Standing, list[Decision]]:
    if now.failures and not _is_cool(now, pool, at):
        return now, []
    asked = now.asked + (at,) * count
    started = replace(now, asked=asked, changed_ns=at, high=0, told_most=False)
    return started, [Decision(Act.START, reason)] * count


def _shrink(
    now: Standing, pool: Pool, sample: Sample, total: int
) -> tuple[Standing, list[Decision]]:
    """Drain the worker that has been idle the longest, if it may go."""
    since = {one.name: now.members[one.name].idle_ns for one in serving(now, sample)}
    idle = [(at, name) for name, at in since.items() if at]
    if not idle or not now.quiet_ns or total <= pool.least:
        return now, []
    at, name = min(idle)
    if sample.at_ns - max(at, now.quiet_ns) < pool.idle_s * S:
        return now, []
    draining = replace(now.members[name], drain_ns=sample.at_ns)
    members: Mapping[str, Member] = {**now.members, name: draining}
    changed = replace(now, members=members, changed_ns=sample.at_ns)
    return changed, [Decision(Act.DRAIN, IDLE, name)]


def _is_cool(now: Standing, pool: Pool, at: int) -> bool:
    pause_s = pool.cooldown_s * 2 ** min(now.failures, FAILURES_COUNTED_MAX)
    return not now.changed_ns or at - now.changed_ns >= pause_s * S
