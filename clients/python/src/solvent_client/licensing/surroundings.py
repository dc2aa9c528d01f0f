"""Where does the program run? The machine, its clocks and its two places, in one object.

The real ones by default; tests hand in others, so that a year can pass or a machine can change.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from solvent_client.licensing import clock, machine
from solvent_client.licensing.store import home_of


class Surroundings(NamedTuple):
    """What a program learns of the world, each part a function or a folder."""

    data: Path
    state: Path
    look: Callable[[], machine.Machine]
    read_clock: Callable[[], clock.Reading] = clock.read
    witnesses: Callable[[Iterable[Path]], list[clock.Evidence]] = clock.witnesses


def of_this_machine(product: str, *, override: str | None = None) -> Surroundings:
    """Return the real surroundings of a product's program."""
    return Surroundings(
        data=home_of(product, what="data"),
        state=home_of(product, what="state"),
        look=lambda: machine.look(override=override),
    )
