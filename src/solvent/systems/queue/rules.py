"""May a space submit so many jobs more to these queues, by what it has bought?"""

from __future__ import annotations

from solvent.kit.errors import LimitReached
from solvent.systems.queue.errors import QueuesExhausted, RunsExhausted, WaitingExhausted
from solvent.systems.queue.model import Limits, Use

NAMED_MAX = 5


def refusal_of(
    limits: Limits, use: Use, *, jobs: int, queues: frozenset[str]
) -> LimitReached | None:
    """Return which limit `jobs` more for these queues would pass, and by how much; None: none."""
    if limits.runs_left is not None and jobs > limits.runs_left:
        left = f"{max(limits.runs_left, 0):f}"
        told = f"The runs of this period are used up: {left} left, {jobs} wanted."
        return RunsExhausted(told, remaining=left, wanted=jobs)
    if limits.waiting is not None and jobs and use.waiting + jobs > limits.waiting:
        told = f"No more jobs may wait: {use.waiting} of {limits.waiting} do, {jobs} more wanted."
        return WaitingExhausted(told, limit=limits.waiting, waiting=use.waiting, wanted=jobs)
    opened = queues | use.open_queues
    if limits.queues is not None and queues - use.open_queues and len(opened) > limits.queues:
        return _queues_exhausted(limits.queues, use, queues)
    return None


def _queues_exhausted(limit: int, use: Use, queues: frozenset[str]) -> QueuesExhausted:
    known = sorted(use.open_queues)
    new = ", ".join(sorted(queues - use.open_queues)[:NAMED_MAX])
    told = f"No more queues may be in use: {len(known)} of {limit} are, and {new} would be new."
    return QueuesExhausted(told, limit=limit, queues=known)
