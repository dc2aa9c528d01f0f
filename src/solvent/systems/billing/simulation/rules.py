"""How do the differences of a simulation spread over customers?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from solvent.systems.billing.simulation.model import Bin, Spread

PERCENTS: Final = (0, 10, 25, 50, 75, 90, 100)
BINS_MAX: Final = 12
BAR_LENGTH: Final = 40
HUNDRED: Final = 100


def spread(deltas: Sequence[int]) -> tuple[Spread, ...]:
    """Return the quantiles of differences by the nearest rank; none of nothing."""
    if not deltas:
        return ()
    ordered = sorted(deltas)
    return tuple(Spread(percent, ordered[_rank(percent, len(ordered))]) for percent in PERCENTS)


def _rank(percent: int, count: int) -> int:
    """Return the place of a quantile from zero: the least that so many percent do not exceed."""
    return max(-(-percent * count // HUNDRED) - 1, 0)


def bins(deltas: Sequence[int]) -> tuple[Bin, ...]:
    """Return at most a dozen bins of one width that hold all differences, zero on an edge."""
    if not deltas:
        return ()
    least, most = min(*deltas, 0), max(*deltas, 0)
    width = _width(most - least + 1)
    first = least // width * width
    found: list[Bin] = []
    while first <= most:
        end = first + width
        found.append(Bin(first, end, sum(first <= one < end for one in deltas)))
        first = end
    return tuple(found)


def _width(span: int) -> int:
    """Return 1, 2 or 5 times a power of ten, so that so few bins hold the span."""
    scale = 1
    while True:
        for step in (1, 2, 5):
            if span / (step * scale) <= BINS_MAX - 2:
                return step * scale
        scale *= 10


def bar(count: int, most: int) -> str:
    """Return a bar of a length in proportion; what is there at all is seen."""
    return "█" * max(count * BAR_LENGTH // most, 1) if count else ""
