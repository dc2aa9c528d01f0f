"""How do migrations look as JSON?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel

from solvent.kernel.subscriptions.model import When
from solvent.systems.billing.migrations import rules
from solvent.systems.billing.migrations.model import (
    Foresight,
    ItemState,
    Migration,
    MigrationItem,
    MigrationState,
    Tally,
)


class MigrationItemShown(BaseModel):
    """A subscription, and what its move comes to before tax.

    `now_minor` is what the running period's invoice changes by; the fees are of a whole period.
    """

    subscription_id: str
    customer_id: str
    state: ItemState
    detail: str
    now_minor: int
    fee_before_minor: int
    fee_after_minor: int
    takes_effect_at: datetime | None


class MigrationTallyShown(BaseModel):
    """How many subscriptions came to a state, and what all of them come to."""

    count: int
    now_minor: int
    fee_before_minor: int
    fee_after_minor: int


class MigrationPreviewShown(BaseModel):
    """What a migration would make of some subscriptions; `next_after` is where to look on."""

    items: list[MigrationItemShown]
    tallies: dict[ItemState, MigrationTallyShown]
    currency: str
    matching: int
    next_after: str | None


class MigrationShown(BaseModel):
    """A migration and how far it is: `looked_at` of `matching` subscriptions."""

    id: str
    from_plan: str
    from_version: int
    to_plan: str
    to_version: int
    when: When
    state: MigrationState
    currency: str
    looked_at: int
    matching: int
    tallies: dict[ItemState, MigrationTallyShown]
    created_at: datetime
    ended_at: datetime | None


def show_migration_item(one: MigrationItem) -> MigrationItemShown:
    """Return an item's JSON form."""
    return MigrationItemShown(
        subscription_id=one.subscription_id,
        customer_id=one.customer_id,
        state=one.state,
        detail=one.detail,
        now_minor=one.now_minor,
        fee_before_minor=one.fee_before_minor,
        fee_after_minor=one.fee_after_minor,
        takes_effect_at=one.takes_effect_at,
    )


def _show_tallies(found: Mapping[ItemState, Tally]) -> dict[ItemState, MigrationTallyShown]:
    return {
        state: MigrationTallyShown(
            count=one.count,
            now_minor=one.now_minor,
            fee_before_minor=one.fee_before_minor,
            fee_after_minor=one.fee_after_minor,
        )
        for state, one in found.items()
    }


def show_foresight(one: Foresight) -> MigrationPreviewShown:
    """Return the JSON form of what is foreseen."""
    return MigrationPreviewShown(
        items=[show_migration_item(item) for item in one.items],
        tallies=_show_tallies(rules.tallied(one.items)),
        currency=one.currency,
        matching=one.matching,
        next_after=one.after,
    )


def show_migration(one: Migration) -> MigrationShown:
    """Return a migration's JSON form."""
    return MigrationShown(
        id=one.id,
        from_plan=one.aim.source.plan_key,
        from_version=one.aim.source.version,
        to_plan=one.aim.target.plan_key,
        to_version=one.aim.target.version,
        when=one.aim.when,
        state=one.state,
        currency=one.currency,
        looked_at=one.looked_at,
        matching=one.matching,
        tallies=_show_tallies(one.tallies),
        created_at=one.created_at,
        ended_at=one.ended_at,
    )
