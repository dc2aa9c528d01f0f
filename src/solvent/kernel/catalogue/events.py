"""What has happened to a catalogue that others may want to know?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class CatalogueApplied:
    """A catalogue was applied and changed something."""

    NAME: ClassVar[str] = "catalogue.catalogue_applied.v1"

    digest: str
    product_keys: tuple[str, ...]
    plan_keys: tuple[str, ...]
    """The plans that were created, changed or archived."""
