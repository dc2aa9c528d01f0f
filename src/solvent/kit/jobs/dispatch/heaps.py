"""How are jobs kept in an order from which those that changed meanwhile fall out by themselves?"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final

from solvent.kit.jobs.job import Job

SWEPT_MIN: Final = 4_096
SAMPLE: Final = 64

_ticket: Final = count(1)
"""Parts entries that are otherwise alike: jobs have no order of their own."""


class JobHeap:
    """Jobs by a rank, the lowest first; an entry counts while the job has not changed since.

    Whenever the heap has doubled, a sample tells whether entries that count no more are to be swept
    out, so it stays within a small multiple of what counts, and no entry costs more than O(log n).
    """

    __slots__ = ("_heap", "_sweep_at")

    def __init__(self) -> None:
        """Begin empty."""
        self._heap: list[tuple[int, int, int, Job]] = []
        self._sweep_at = SWEPT_MIN

    def __len__(self) -> int:
        """Return how many entries there are, those that count no more among them."""
        return len(self._heap)

    @property
    def first(self) -> int | None:
        """The lowest rank, which may be that of an entry that counts no more."""
        return self._heap[0][0] if self._heap else None

    def push(self, rank: int, job: Job) -> None:
        """Put a job as it now is under a rank."""
        if len(self._heap) >= self._sweep_at:
            self._sweep()
        heappush(self._heap, (rank, next(_ticket), job.seq, job))

    def pop(self) -> Job | None:
        """Take out the first job that has not changed since; None if there is none."""
        heap = self._heap
        while heap:
            _, _, seq, job = heappop(heap)
            if job.seq == seq:
                return job
        return None

    def peek(self) -> Job | None:
        """Return the first job that has not changed since, and leave it there."""
        heap = self._heap
        while heap:
            _, _, seq, job = heap[0]
            if job.seq == seq:
                return job
            heappop(heap)
        return None

    def pop_until(self, rank: int, *, limit: int) -> Iterator[Job]:
        """Take out those of at most this rank, at most so many."""
        heap = self._heap
        while limit and heap and heap[0][0] <= rank:
            _, _, seq, job = heappop(heap)
            if job.seq == seq:
                limit -= 1
                yield job

    def _sweep(self) -> None:
        sample = self._heap[:: len(self._heap) // SAMPLE]
        if sum(entry[3].seq != entry[2] for entry in sample) * 4 > len(sample):
            self._heap = [entry for entry in self._heap if entry[3].seq == entry[2]]
            heapify(self._heap)
        self._sweep_at = max(SWEPT_MIN, 2 * len(self._heap))
