"""What may be done with a catalogue: apply it, show it, find a plan in it."""

from __future__ import annotations

from solvent.kernel.catalogue.model import CatalogueSpec, Diff, PlanVersion, Product
from solvent.kit.ctx import Ctx


async def apply(ctx: Ctx, spec: CatalogueSpec, *, dry_run: bool = False) -> Diff:
    """Make the tenant's catalogue equal to the specification, or say what that would change.

    A plan with other terms gets a new version; whoever has an older one keeps it. What the
    specification leaves out is archived. Emits `catalogue_applied` if anything changed.

    Raises:
        ProviderPriceTaken: a provider's price id has belonged to another plan.
    """
    raise NotImplementedError


async def list_products(ctx: Ctx) -> list[Product]:
    """Return all products by key, the archived ones included."""
    raise NotImplementedError


async def list_plans(ctx: Ctx) -> list[PlanVersion]:
    """Return the latest version of each plan by key, the archived ones included."""
    raise NotImplementedError


async def plan_version(ctx: Ctx, plan_key: str, version: int | None = None) -> PlanVersion:
    """Return a version of a plan, the latest if none is named.

    Raises:
        PlanNotFound: there is no such plan or version.
    """
    raise NotImplementedError


async def find_by_provider_price(
    ctx: Ctx, provider: str, price_id: str, *, held: tuple[str, int] | None = None
) -> PlanVersion:
    """Return the plan version that a provider's price id stands for.

    That is the version held (plan key, version) if it lists the id, so that a subscriber keeps the
    terms bought; otherwise the newest version that does.

    Raises:
        ProviderPriceUnknown: no plan lists it.
    """
    raise NotImplementedError
