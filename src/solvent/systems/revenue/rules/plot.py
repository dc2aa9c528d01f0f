"""How does a row of numbers look where one would rather see than read?"""

from __future__ import annotations

from collections.abc import Sequence

TICKS = "▁▂▃▄▅▆▇█"
FULL, HALF = "█", "▌"


def sparkline(values: Sequence[int]) -> str:
    """Return a character for each value, from the least to the greatest; a flat row stays low."""
    if not values:
        return ""
    low, high = min(values), max(values)
    steps = len(TICKS) - 1
    return "".join(
        TICKS[(value - low) * steps // (high - low) if high > low else 0] for value in values
    )


def bar(value: int, greatest: int, *, width: int) -> str:
    """Return a bar of an amount, in half characters; what is not nothing is seen."""
    if greatest <= 0 or not value:
        return ""
    halves = max(abs(value) * width * 2 // greatest, 1)
    return FULL * (halves // 2) + HALF * (halves % 2)
