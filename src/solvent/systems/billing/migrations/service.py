"""How is a migration foreseen, begun, worked off, looked at and taken back?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from solvent.kernel.audit import service as audit
from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.ledger import service as ledger
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Foreseen, Subscription, When
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Ctx
from solvent.kit.errors import Conflict, Invalid, NotFound, SolventError
from solvent.kit.ids import is_id
from solvent.kit.jobs import enqueue_at_end
from solvent.systems.billing.errors import (
    MigrationMalformed,
    MigrationNotFound,
    MigrationNotUndoable,
)
from solvent.systems.billing.migrations import rules, store
from solvent.systems.billing.migrations.model import (
    Aim,
    Foresight,
    ItemState,
    Migration,
    MigrationItem,
    MigrationState,
)

SCOPE_READ = "subscriptions:read"
SCOPE_WRITE = "subscriptions:write"
JOB_MIGRATE: Final = "billing.migrate"
STEP = 100
"""Subscriptions of one step of the job, which is one transaction."""
NEXT_PLAN = "next_plan"
ENDINGS = {
    MigrationState.DONE: "billing.migration_done",
    MigrationState.UNDONE: "billing.migration_undone",
}
"""What stands in the audit log at the end."""


async def foresee(ctx: Ctx, aim: Aim, *, after: str = "", limit: int = STEP) -> Foresight:
    """Return what a migration would make of the next subscriptions; changes nothing.

    Raises:
        MigrationMalformed: it leads nowhere, or is to happen at no time that can be.
        PlanNotFound: there is no such version of a plan.
    """
    ctx.require(SCOPE_READ)
    currency = await _check(ctx, aim)
    page, meant = await _page(ctx, aim, after=after, limit=limit)
    return Foresight(
        items=tuple(await _foreseen(ctx, aim, meant)),
        currency=currency,
        matching=await subscriptions.count_on_plan(ctx, aim.source, status=aim.where.status),
        after=page[-1].id if len(page) == limit else None,
    )


async def _check(ctx: Ctx, aim: Aim) -> str:
    """Return the currency of a migration that can be; each subscription is judged by itself."""
    if aim.source == aim.target:
        raise MigrationMalformed("expected another plan or version than before", field="to_plan")
    if aim.when is When.AUTO:
        raise MigrationMalformed("expected now or period_end", field="when")
    old = await catalogue.plan_version(ctx, aim.source.plan_key, aim.source.version)
    new = await catalogue.plan_version(ctx, aim.target.plan_key, aim.target.version)
    if (old.product_key, old.currency) != (new.product_key, new.currency):
        message = "expected a plan of the same product and currency"
        raise MigrationMalformed(message, field="to_plan")
    return old.currency


async def _page(
    ctx: Ctx, aim: Aim, *, after: str, limit: int
) -> tuple[list[Subscription], list[Subscription]]:
    """Return the next subscriptions of the plan, and those of them that are meant."""
    page = await subscriptions.list_on_plan(
        ctx, aim.source, status=aim.where.status, after=after, limit=limit
    )
    customers = await tenants.customers_by_ids(ctx, sorted({one.customer_id for one in page}))
    meant = [one for one in page if rules.is_meant(one, customers[one.customer_id], aim.where)]
    return page, meant


async def _foreseen(ctx: Ctx, aim: Aim, held: Sequence[Subscription]) -> list[MigrationItem]:
    """Return what becomes of subscriptions, each charged or refused by itself."""
    judged = [(one, await _judged(ctx, aim, one)) for one in held]
    made = [each for _, each in judged if isinstance(each, Foreseen) and each.when is When.NOW]
    previews = iter(await ledger.preview_foreseen(ctx, made) if made else [])
    items: list[MigrationItem] = []
    for one, each in judged:
        if isinstance(each, str):
            items.append(MigrationItem(one.id, one.customer_id, ItemState.REFUSED, each))
            continue
        now_minor = 0
        if each.when is When.NOW:
            preview = next(previews)
            now_minor = preview.after.net_minor - preview.before.net_minor
        items.append(_item(each, now_minor))
    return items


async def _judged(ctx: Ctx, aim: Aim, held: Subscription) -> Foreseen | str:
    """Return what a move makes of a subscription, or the code of why it cannot be."""
    if held.next_plan is not None and held.next_plan != aim.target:
        return "billing.other_change_planned"
    plan_key, version = aim.target.plan_key, aim.target.version
    try:
        return await subscriptions.foresee_plan(ctx, held, plan_key, version=version, when=aim.when)
    except (Conflict, Invalid, NotFound) as refused:
        return refused.code


def _item(made: Foreseen, now_minor: int) -> MigrationItem:
    return MigrationItem(
        subscription_id=made.held.id,
        customer_id=made.held.customer_id,
        state=ItemState.MOVED if made.when is When.NOW else ItemState.PLANNED,
        now_minor=now_minor,
        fee_before_minor=made.fee_before_minor,
        fee_after_minor=made.fee_after_minor,
        takes_effect_at=made.takes_effect_at,
    )


async def start(ctx: Ctx, aim: Aim) -> Migration:
    """Begin a migration; a job works it off.

    Raises:
        As `foresee`.
    """
    ctx.require(SCOPE_WRITE)
    currency = await _check(ctx, aim)
    begun = Migration(
        id=ctx.ids.new("mig"),
        aim=aim,
        currency=currency,
        state=MigrationState.RUNNING,
        position="",
        looked_at=0,
        matching=await subscriptions.count_on_plan(ctx, aim.source, status=aim.where.status),
        created_at=ctx.now(),
    )
    await store.insert(ctx.tx, ctx.tenant_id, begun)
    _audit(ctx, begun, "billing.migration_started")
    _go_on(ctx, begun)
    return begun


def _audit(ctx: Ctx, one: Migration, action: str) -> None:
    source, target = one.aim.source, one.aim.target
    data = {
        "from": f"{source.plan_key}@{source.version}",
        "to": f"{target.plan_key}@{target.version}",
        "when": one.aim.when.value,
        "looked_at": one.looked_at,
    }
    audit.record(ctx, action=action, subject=one.id, data=data)


def _go_on(ctx: Ctx, one: Migration) -> None:
    key = f"{one.id}/{one.state.value}/{one.position}"
    enqueue_at_end(ctx, JOB_MIGRATE, {"migration_id": one.id}, run_at=ctx.now(), unique_key=key)


async def step(ctx: Ctx, migration_id: str, *, size: int = STEP) -> Migration:
    """Do the next part of a migration or of its taking back; nothing where it is over.

    Each part is one transaction that keeps how far it came: whatever stops the work, it goes on
    from there.

    Raises:
        MigrationNotFound: there is none.
    """
    await store.lock(ctx.tx, ctx.tenant_id, migration_id)
    one = await store.get(ctx.tx, ctx.tenant_id, migration_id)
    match one.state:
        case MigrationState.RUNNING:
            after = await _move(ctx, one, size)
        case MigrationState.UNDOING:
            after = await _take_back(ctx, one, size)
        case MigrationState.DONE | MigrationState.UNDONE:
            return one
    await store.save(ctx.tx, ctx.tenant_id, after)
    if after.ended_at is None:
        _go_on(ctx, after)
    else:
        _audit(ctx, after, ENDINGS[after.state])
    return await store.get(ctx.tx, ctx.tenant_id, migration_id)


async def _move(ctx: Ctx, one: Migration, size: int) -> Migration:
    page, meant = await _page(ctx, one.aim, after=one.position, limit=size)
    items = await _foreseen(ctx, one.aim, meant)
    made = [await _made(ctx, one.aim, item) for item in items]
    await store.add_items(ctx.tx, ctx.tenant_id, one.id, made)
    position = page[-1].id if page else one.position
    after = replace(one, position=position, looked_at=one.looked_at + len(page))
    if len(page) < size:
        return replace(after, state=MigrationState.DONE, ended_at=ctx.now())
    return after


async def _made(ctx: Ctx, aim: Aim, item: MigrationItem) -> MigrationItem:
    if item.state is ItemState.REFUSED:
        return item
    try:
        await subscriptions.change_plan(
            ctx,
            item.subscription_id,
            aim.target.plan_key,
            version=aim.target.version,
            when=aim.when,
        )
    except (Conflict, Invalid, NotFound) as refused:
        return MigrationItem(
            item.subscription_id, item.customer_id, ItemState.REFUSED, refused.code
        )
    return item


async def undo(ctx: Ctx, migration_id: str) -> Migration:
    """Stop a migration and take back what is only planned; what has moved stays moved.

    Raises:
        MigrationNotFound: there is none.
        MigrationNotUndoable: it moved its subscriptions at once, or is taken back already.
    """
    ctx.require(SCOPE_WRITE)
    one = await _get(ctx, migration_id)
    await store.lock(ctx.tx, ctx.tenant_id, one.id)
    one = await _get(ctx, migration_id)
    undoing = one.state in {MigrationState.UNDOING, MigrationState.UNDONE}
    if undoing or (one.aim.when is When.NOW and one.state is MigrationState.DONE):
        raise MigrationNotUndoable(field="migration", given=one.id)
    state = MigrationState.UNDOING
    begun = replace(one, state=state, position="", ended_at=None)
    await store.save(ctx.tx, ctx.tenant_id, begun)
    _audit(ctx, begun, "billing.migration_undoing")
    _go_on(ctx, begun)
    return begun


async def _take_back(ctx: Ctx, one: Migration, size: int) -> Migration:
    items = await store.list_items(
        ctx.tx,
        ctx.tenant_id,
        one.id,
        state=ItemState.PLANNED,
        after=one.position,
        limit=size,
    )
    for item in items:
        state, detail = await _taken_back(ctx, one.aim, item.subscription_id)
        await store.set_state(
            ctx.tx, ctx.tenant_id, one.id, item.subscription_id, state=state, detail=detail
        )
    after = replace(one, position=items[-1].subscription_id if items else one.position)
    if len(items) < size:
        return replace(after, state=MigrationState.UNDONE, ended_at=ctx.now())
    return after


async def _taken_back(ctx: Ctx, aim: Aim, subscription_id: str) -> tuple[ItemState, str]:
    held = await subscriptions.get(ctx, subscription_id)
    if held.plan == aim.target:
        return ItemState.MOVED, "its period had ended"
    if held.next_plan != aim.target:
        return ItemState.UNDONE, "it was changed meanwhile"
    try:
        await subscriptions.withdraw(ctx, subscription_id, NEXT_PLAN)
    except SolventError as refused:
        return ItemState.PLANNED, refused.code
    return ItemState.UNDONE, ""


async def _get(ctx: Ctx, migration_id: str) -> Migration:
    if not is_id(migration_id, prefix="mig"):
        raise MigrationNotFound(field="migration", given=migration_id[:64])
    return await store.get(ctx.tx, ctx.tenant_id, migration_id)


async def get_migration(ctx: Ctx, migration_id: str) -> Migration:
    """Return a migration, and how far it is. Raises `MigrationNotFound`."""
    ctx.require(SCOPE_READ)
    return await _get(ctx, migration_id)


async def list_migrations(ctx: Ctx, *, after: str | None = None, limit: int) -> list[Migration]:
    """Return migrations, newest first, without their tallies."""
    ctx.require(SCOPE_READ)
    return await store.list_page(ctx.tx, ctx.tenant_id, after=after, limit=limit)


async def list_items(
    ctx: Ctx,
    migration_id: str,
    *,
    state: ItemState | None = None,
    after: str | None = None,
    limit: int,
) -> list[MigrationItem]:
    """Return what became of the subscriptions of a migration, by their id.

    Raises:
        MigrationNotFound: there is none.
    """
    ctx.require(SCOPE_READ)
    one = await _get(ctx, migration_id)
    return await store.list_items(
        ctx.tx, ctx.tenant_id, one.id, state=state, after=after or "", limit=limit
    )
