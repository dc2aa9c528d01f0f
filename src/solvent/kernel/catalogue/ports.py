"""Who decides which version of a plan a customer is offered?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from solvent.kernel.catalogue.model import PlanVersion
    from solvent.kit.ctx import Ctx


class PriceChooser(Protocol):
    """Chooses among the versions of a plan, for example in an experiment with prices."""

    async def choose(
        self, ctx: Ctx, *, customer_ref: str, offered: tuple[PlanVersion, ...]
    ) -> PlanVersion:
        """Return one of the versions offered, the latest first; the same customer gets the same."""
        ...


class LatestVersion:
    """Offers everybody the latest version: what holds while nobody experiments."""

    async def choose(
        self, ctx: Ctx, *, customer_ref: str, offered: tuple[PlanVersion, ...]
    ) -> PlanVersion:
        """Return the latest version."""
        del ctx, customer_ref
        return offered[0]
