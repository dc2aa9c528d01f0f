"""How does a customer's record come to say what the subscriptions grant now?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from solvent.kernel.audit import service as audit
from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.model import PlanVersion
from solvent.kernel.entitlements import rules, store
from solvent.kernel.entitlements.model import Grant, Record, Reservation
from solvent.kernel.metering import service as metering
from solvent.kernel.metering.model import TallyRequest
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import GRANTING, Addon, PlanRef, Subscription
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.errors import CustomerUnknown
from solvent.kit.ctx import Ctx
from solvent.kit.jobs import enqueue_at_end
from solvent.kit.money import EXACT

JOB_REFRESH = "entitlements.refresh"

_NEEDED = frozenset(
    {"customers:read", "metering:read", "metering:write", "catalogue:read", "subscriptions:read"}
)


def inside(ctx: Ctx) -> Ctx:
    """Return the context with what entitlements need of the modules that they answer from.

    Whoever may ask or consume gets the answer without being allowed to read those modules.
    """
    actor = replace(ctx.actor, scopes=ctx.actor.scopes | _NEEDED)
    return replace(ctx, actor=actor)


async def refresh(ctx: Ctx, customer_ids: Sequence[str]) -> list[Record]:
    """Make these customers' records equal to what their subscriptions grant now; return them.

    Emits `entitlement_changed` for each record that became another, and none else.

    Raises:
        CustomerUnknown: there is no such customer.
    """
    found = await tenants.customers_by_ids(inside(ctx), list(customer_ids))
    if len(found) < len(set(customer_ids)):
        raise CustomerUnknown(field="customer")
    return await refresh_known(ctx, {id_: found[id_].external_ref for id_ in customer_ids})


async def refresh_known(ctx: Ctx, refs: Mapping[str, str]) -> list[Record]:
    """As `refresh`, for customers whose references are at hand, by id.

    Each record is locked before the subscriptions are read, so that of two concurrent changes the
    later to lock sees both.
    """
    await store.ensure_records(ctx.tx, ctx.tenant_id, refs, now=ctx.now())
    before = await store.lock_records(ctx.tx, ctx.tenant_id, sorted(refs))
    await store.expire_reservations(ctx.tx, ctx.tenant_id, sorted(refs), now=ctx.now())
    granted = await _granted(ctx, before)
    return await _save_changed(ctx, before, await _with_use(ctx, granted))


async def refresh_usage(
    ctx: Ctx, *, customer_refs: Sequence[str], meter_keys: Sequence[str]
) -> list[Record]:
    """Bring what is used of quotas on these meters up to date; return the records looked at."""
    before = await store.lock_metered(
        ctx.tx, ctx.tenant_id, customer_refs=customer_refs, meter_keys=meter_keys
    )
    return await _save_changed(ctx, before, await _with_use(ctx, before))


async def refresh_use_of(ctx: Ctx, record: Record) -> Record:
    """Bring what is used of one customer's quotas up to date; the caller holds the lock."""
    return (await _save_changed(ctx, [record], await _with_use(ctx, [record])))[0]


async def _granted(ctx: Ctx, records: Sequence[Record]) -> list[Record]:
    """Return the records with what the subscriptions grant; what is used is not yet in them."""
    plans: dict[PlanRef, PlanVersion] = {}
    made: list[Record] = []
    ids = [record.customer_id for record in records]
    current = await subscriptions.list_current_of(inside(ctx), ids)
    every = [one for some in current.values() for one in some]
    addons = await subscriptions.addons_now(inside(ctx), every)
    for record in records:
        held = await _granting(ctx, current[record.customer_id], plans, addons)
        features = rules.grants_of(held, now=ctx.now())
        made.append(replace(record, access=rules.access_of(held), features=features))
    return made


async def _granting(
    ctx: Ctx,
    current: Sequence[Subscription],
    plans: dict[PlanRef, PlanVersion],
    addons: Mapping[str, Sequence[Addon]],
) -> list[tuple[Subscription, PlanVersion]]:
    held: list[tuple[Subscription, PlanVersion]] = []
    for subscription in current:
        if subscription.status not in GRANTING:
            continue
        plan = await _plan(ctx, subscription.plan, plans)
        more = addons.get(subscription.id, ())
        if more:
            extra = [(await _plan(ctx, one.plan, plans), one.quantity) for one in more]
            plan = rules.with_addons(plan, subscription.quantity, extra)
        held.append((subscription, plan))
    return held


async def _plan(ctx: Ctx, ref: PlanRef, plans: dict[PlanRef, PlanVersion]) -> PlanVersion:
    if ref not in plans:
        plans[ref] = await catalogue.plan_version(inside(ctx), ref.plan_key, ref.version)
    return plans[ref]


async def _with_use(ctx: Ctx, records: Sequence[Record]) -> list[Record]:
    """Return the records with what is used now, and when time alone will change them."""
    ids = [record.customer_id for record in records]
    holds = await store.held_reservations(ctx.tx, ctx.tenant_id, ids, now=ctx.now())
    used = await _measure(ctx, records, holds)
    return [
        replace(
            rules.with_used(record, used[record.customer_id]),
            stale_at=rules.next_change(record, _of(holds, record), now=ctx.now()),
        )
        for record in records
    ]


async def measure_used(ctx: Ctx, records: Sequence[Record]) -> dict[str, dict[str, Decimal]]:
    """Return what is consumed or held now of each quota, by customer id and feature."""
    ids = [record.customer_id for record in records]
    holds = await store.held_reservations(ctx.tx, ctx.tenant_id, ids, now=ctx.now())
    return await _measure(ctx, records, holds)


async def _measure(
    ctx: Ctx, records: Sequence[Record], holds: Sequence[Reservation]
) -> dict[str, dict[str, Decimal]]:
    consumed = await _consumed(ctx, records)
    used: dict[str, dict[str, Decimal]] = {}
    for record in records:
        held = rules.held_by_feature(_of(holds, record))
        used[record.customer_id] = {
            grant.feature_key: EXACT.add(
                consumed.get((record.customer_id, grant.feature_key), Decimal(0)),
                held.get(grant.feature_key, Decimal(0)),
            )
            for grant in record.features
        }
    return used


async def _consumed(ctx: Ctx, records: Sequence[Record]) -> dict[tuple[str, str], Decimal]:
    """Return what is used up of each quota: by its meter, or by its own counter."""
    quotas = [(record, grant) for record in records for grant in record.features if grant.period]
    metered = [(record, grant) for record, grant in quotas if grant.meter_key]
    counted = [(record.customer_id, grant) for record, grant in quotas if not grant.meter_key]
    found: dict[tuple[str, str], Decimal] = {}
    if counted:
        found |= await store.count_consumed(ctx.tx, ctx.tenant_id, counted)
    if metered:
        asked = [_tally_request(record, grant, ctx.now()) for record, grant in metered]
        amounts = await metering.tally(inside(ctx), asked)
        for (record, grant), amount in zip(metered, amounts, strict=True):
            found[record.customer_id, grant.feature_key] = amount
    return found


def _tally_request(record: Record, grant: Grant, now: datetime) -> TallyRequest:
    return TallyRequest(
        meter_key=grant.meter_key or "",
        customer_ref=record.customer_ref,
        period=rules.measured_period(grant, now=now),
    )


def _of(holds: Sequence[Reservation], record: Record) -> list[Reservation]:
    return [one for one in holds if one.customer_id == record.customer_id]


async def _save_changed(
    ctx: Ctx, before: Sequence[Record], after: Sequence[Record]
) -> list[Record]:
    """Save the records that became others under the next revision, and tell guards of them."""
    made = [rules.next_revision(old, new) for old, new in zip(before, after, strict=True)]
    pairs = [(old, new) for old, new in zip(before, made, strict=True) if old != new]
    if pairs:
        saved = [new for _, new in pairs]
        await store.save_records(ctx.tx, ctx.tenant_id, saved, now=ctx.now())
    for old, new in pairs:
        if new.revision != old.revision:
            await ctx.bus.emit(ctx, rules.describe(new))
            _audit_grant(ctx, old, new)
        if new.stale_at and new.stale_at != old.stale_at:
            _wake_at(ctx, new.customer_id, new.stale_at)
    return made


def _audit_grant(ctx: Ctx, old: Record, new: Record) -> None:
    """Keep in the audit log what was granted or taken; what was used is in metering."""
    if rules.grants_the_same(old, new):
        return
    audit.record(
        ctx,
        action="entitlements.entitlement_changed",
        subject=new.customer_id,
        data={
            "revision": new.revision,
            "access": " ".join(f"{one.product_key}:{one.plan_key}" for one in new.access),
            "features": " ".join(grant.feature_key for grant in new.features),
        },
    )


def _wake_at(ctx: Ctx, customer_id: str, moment: datetime) -> None:
    """Look at the customer again when time will have made the record stale."""
    enqueue_at_end(
        ctx,
        JOB_REFRESH,
        {"customer_id": customer_id},
        run_at=moment,
        unique_key=f"{customer_id} {moment.isoformat()}",
    )
