"""What may the holder of this license do, and how much of it is left?"""

from collections.abc import Callable
from typing import Final, NamedTuple

from solvent_client.licensing.document import Terms, Value

_DAY_S: Final = 86_400


class Meter(NamedTuple):
    """What may be used in the license's period. `limit` None: as much as one likes."""

    name: str
    limit: int | None
    used: int

    @property
    def remaining(self) -> int | None:
        """Return what is left, never below 0; None: as much as one likes."""
        return None if self.limit is None else max(self.limit - self.used, 0)


class License:
    """A license that is good on this machine now."""

    valid: Final = True

    def __init__(
        self, terms: Terms, *, now: int, meter: Callable[[Terms, str, int], Meter | None]
    ) -> None:
        self.terms: Final = terms
        self._now = now
        self._meter = meter

    @property
    def id(self) -> str:
        """Return the license's id at the publisher."""
        return self.terms.license_id

    @property
    def is_trial(self) -> bool:
        """Say whether it is a trial."""
        return self.terms.ours.trial

    @property
    def expires_at(self) -> int | None:
        """Return the last second in which it is good, since 1970; None: for good."""
        return self.terms.expires_at

    @property
    def days_left(self) -> int | None:
        """Return how many whole days it is still good; None: for good."""
        end = self.expires_at
        return None if end is None else (end - self._now) // _DAY_S

    def allows(self, feature: str) -> bool:
        """Say whether a feature was bought: it stands in the license, and not as false or 0."""
        return bool(self.terms.features.get(feature, False))

    def value(self, feature: str, default: Value = 0) -> Value:
        """Return how much of a feature was bought, say 5 projects."""
        return self.terms.features.get(feature, default)

    def meter(self, name: str) -> Meter:
        """Return what may be used of something in this period; nothing of what is not named."""
        return self._meter(self.terms, name, 0) or Meter(name, 0, 0)

    def use(self, name: str, quantity: int = 1) -> bool:
        """Use some of what the license has, and say whether it sufficed; if not, none is used.

        Raises:
            ValueError: a quantity below 1.
        """
        if quantity < 1:
            raise ValueError("quantity: expected 1 or more")
        return self._meter(self.terms, name, quantity) is not None
