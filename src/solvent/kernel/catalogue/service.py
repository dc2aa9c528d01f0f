"""What may be done with a catalogue: apply it, show it, find a plan in it."""

from __future__ import annotations

from solvent.kernel.audit import service as audit
from solvent.kernel.catalogue import rules, store
from solvent.kernel.catalogue.errors import PlanArchived, PlanNotFound
from solvent.kernel.catalogue.events import CatalogueApplied
from solvent.kernel.catalogue.model import (
    CatalogueSpec,
    Change,
    ChangeKind,
    Diff,
    PlanSpec,
    PlanVersion,
    Product,
    ProviderPrice,
)
from solvent.kernel.catalogue.ports import LatestVersion, PriceChooser
from solvent.kernel.metering import service as metering
from solvent.kernel.metering.errors import MeterNotFound
from solvent.kernel.metering.model import Meter
from solvent.kit.ctx import Ctx

SCOPE_WRITE = "catalogue:write"


async def apply(ctx: Ctx, spec: CatalogueSpec, *, dry_run: bool = False) -> Diff:
    """Make the tenant's catalogue equal to the specification, or say what that would change.

    A plan with other terms gets a new version; whoever has an older one keeps it. What the
    specification leaves out is archived, meters excepted. Needs `catalogue:write`, and for new or
    changed meters `metering:write`. Emits `catalogue_applied` if anything changed.

    Raises:
        ProviderPriceTaken: a provider's price id has belonged to another plan.
        MeterInUse: a meter that has events would mean something else.
    """
    ctx.require(SCOPE_WRITE)
    await store.lock(ctx.tx, ctx.tenant_id)
    products = await store.list_products(ctx.tx, ctx.tenant_id)
    plans = await store.list_latest(ctx.tx, ctx.tenant_id)
    changes = [
        *[rules.compare_meter(await _find_meter(ctx, one.key), one) for one in spec.meters],
        *rules.compare_products(products, spec.products),
        *rules.compare_plans(plans, spec.plans),
        *rules.archived(spec, products, plans),
    ]
    diff = Diff(tuple(changes), dry_run=dry_run)
    if not dry_run and not diff.empty:
        await _carry_out(ctx, spec, diff)
    return diff


async def _find_meter(ctx: Ctx, key: str) -> Meter | None:
    try:
        return await metering.get_meter(ctx, key)
    except MeterNotFound:
        return None


async def _carry_out(ctx: Ctx, spec: CatalogueSpec, diff: Diff) -> None:
    changed = {(one.subject, one.key): one for one in diff.changes if one.kind in rules.TOUCHED}
    for meter in spec.meters:
        if ("meter", meter.key) in changed:
            await metering.define_meter(ctx, meter)
    for product in spec.products:
        if ("product", product.key) in changed:
            await store.save_product(ctx.tx, ctx.tenant_id, product)
    for plan in spec.plans:
        if ("plan", plan.key) in changed:
            await _save_plan(ctx, plan, changed["plan", plan.key])
    gone = [one for one in diff.changes if one.kind is ChangeKind.ARCHIVED]
    await store.archive(
        ctx.tx,
        ctx.tenant_id,
        products=[one.key for one in gone if one.subject == "product"],
        plans=[one.key for one in gone if one.subject == "plan"],
        at=ctx.now(),
    )
    await _announce(ctx, spec, [*changed.values(), *gone])


async def _save_plan(ctx: Ctx, plan: PlanSpec, change: Change) -> None:
    version = change.version or 1
    if change.new_version:
        made = PlanVersion(
            plan_key=plan.key,
            version=version,
            terms=plan.terms,
            digest=rules.terms_digest(plan.terms),
            created_at=ctx.now(),
        )
        await store.save_version(ctx.tx, ctx.tenant_id, made)
    await store.sell(ctx.tx, ctx.tenant_id, plan.key, version, under=plan.provider_prices)


async def _announce(ctx: Ctx, spec: CatalogueSpec, changes: list[Change]) -> None:
    digest = rules.catalogue_digest(spec)
    await store.note_applied(ctx.tx, ctx.tenant_id, digest, ctx.now())
    told = [f"{one.kind.value} {one.subject} {one.key}" for one in changes]
    audit.record(
        ctx,
        action="catalogue.catalogue_applied",
        subject="catalogue",
        data={"digest": digest, "changes": told},
    )
    event = CatalogueApplied(
        digest=digest,
        product_keys=tuple(one.key for one in changes if one.subject == "product"),
        plan_keys=tuple(one.key for one in changes if one.subject == "plan"),
    )
    await ctx.bus.emit(ctx, event)


async def list_products(ctx: Ctx) -> list[Product]:
    """Return all products by key, the archived ones included."""
    return await store.list_products(ctx.tx, ctx.tenant_id)


async def get_product(ctx: Ctx, product_key: str) -> Product:
    """Return a product.

    Raises:
        ProductNotFound: there is none of this key.
    """
    return await store.get_product(ctx.tx, ctx.tenant_id, product_key)


async def list_plans(ctx: Ctx) -> list[PlanVersion]:
    """Return the latest version of each plan by key, the archived ones included."""
    return await store.list_latest(ctx.tx, ctx.tenant_id)


async def plan_version(ctx: Ctx, plan_key: str, version: int | None = None) -> PlanVersion:
    """Return a version of a plan, the latest if none is named; archived plans are found too.

    Raises:
        PlanNotFound: there is no such plan or version.
    """
    return await store.get_version(ctx.tx, ctx.tenant_id, rules.known_key(plan_key), version)


async def offer(
    ctx: Ctx, plan_key: str, *, customer_ref: str, chooser: PriceChooser | None = None
) -> PlanVersion:
    """Return the version of a plan to offer to a customer: the chooser's, or the latest.

    Raises:
        PlanNotFound: there is no such plan.
        PlanArchived: it is no longer sold.
    """
    versions = await store.list_versions(ctx.tx, ctx.tenant_id, rules.known_key(plan_key))
    if not versions:
        raise PlanNotFound(field="plan", given=plan_key[:64])
    if versions[0].archived:
        raise PlanArchived(field="plan", given=plan_key)
    choose = (chooser or LatestVersion()).choose
    return await choose(ctx, customer_ref=customer_ref, offered=tuple(versions))


async def find_by_provider_price(
    ctx: Ctx, provider: str, price_id: str, *, held: tuple[str, int] | None = None
) -> PlanVersion:
    """Return the plan version that a provider's price id stands for.

    That is the version held (plan key, version) if it was sold under the id, so that a subscriber
    keeps the terms bought; otherwise the newest version that was. Archived plans are found too.

    Raises:
        ProviderPriceUnknown: no plan was sold under it.
    """
    one = ProviderPrice(provider, price_id)
    return await store.find_by_provider_price(ctx.tx, ctx.tenant_id, one, held=held)
