"""How do revenue's numbers look as JSON? Amounts are minor units, shares fractions as text."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from pydantic import BaseModel, ConfigDict

from solvent.kit.money import plain_number
from solvent.systems.revenue.model import (
    Cohort,
    Fall,
    Kept,
    Kind,
    LineOf,
    PlanLevel,
    Policy,
    Rate,
    Ratios,
    Rebuilt,
    Row,
    Share,
)
from solvent.systems.revenue.rules.figures import MONTHS_A_YEAR, ratio, stability
from solvent.systems.revenue.service import Listed, Retention


class _Shown(BaseModel):
    model_config = ConfigDict(frozen=True)


class MrrShown(_Shown):
    """What MRR moved by in a month or a day: opening plus movements is closing."""

    span: str
    currency: str
    opening_minor: int
    new_minor: int
    expansion_minor: int
    contraction_minor: int
    churn_minor: int
    reactivation_minor: int
    closing_minor: int
    arr_minor: int
    customers_before: int
    customers: int
    counts: dict[str, int]
    """How many customers' days were of each kind."""


def show_row(row: Row) -> MrrShown:
    """Return a row's JSON form."""
    return MrrShown(
        span=row.span.label,
        currency=row.currency,
        opening_minor=row.opening_minor,
        new_minor=row.moved.get(Kind.NEW, 0),
        expansion_minor=row.moved.get(Kind.EXPANSION, 0),
        contraction_minor=row.moved.get(Kind.CONTRACTION, 0),
        churn_minor=row.moved.get(Kind.CHURN, 0),
        reactivation_minor=row.moved.get(Kind.REACTIVATION, 0),
        closing_minor=row.closing_minor,
        arr_minor=row.closing_minor * MONTHS_A_YEAR,
        customers_before=row.customers_before,
        customers=row.customers,
        counts={kind.value: count for kind, count in row.counted.items()},
    )


class PlanLevelShown(_Shown):
    """What a plan came to at the end of each month or day."""

    plan: str
    currency: str
    mrr_minor: dict[str, int]


def show_plan_level(one: PlanLevel) -> PlanLevelShown:
    """Return a plan's JSON form."""
    levels = zip(one.spans, one.levels_minor, strict=True)
    return PlanLevelShown(
        plan=one.plan_key,
        currency=one.currency,
        mrr_minor={span.label: level for span, level in levels},
    )


class MovementShown(_Shown):
    """A row that is never changed, with the kind that its customer's day has.

    `correction` counts the rows of one moment: their amounts add up.
    """

    at: datetime
    day: date
    customer: str
    customer_id: str
    subscription_id: str
    plan: str
    plan_version: int
    currency: str
    delta_minor: int
    kind: Kind
    correction: int
    noted_at: datetime


def show_movement(one: Listed) -> MovementShown:
    """Return a movement's JSON form."""
    row = one.told.movement
    return MovementShown(
        at=row.at,
        day=one.told.day,
        customer=one.customer_ref,
        customer_id=row.customer_id,
        subscription_id=row.subscription_id,
        plan=row.plan_key,
        plan_version=row.plan_version,
        currency=row.currency,
        delta_minor=row.delta_minor,
        kind=one.told.kind,
        correction=row.seq,
        noted_at=row.noted_at,
    )


class KeptShown(_Shown):
    """What became of the customers who were there at the beginning."""

    customers: int
    lost: int
    opening_minor: int
    closing_minor: int
    grr: str | None
    nrr: str | None


def show_kept(one: Kept) -> KeptShown:
    """Return the JSON form of who stayed."""
    return KeptShown(
        customers=one.customers,
        lost=one.lost,
        opening_minor=one.opening_minor,
        closing_minor=one.closing_minor,
        grr=_share(ratio(one.held_minor, one.opening_minor)),
        nrr=_share(ratio(one.closing_minor, one.opening_minor)),
    )


class RatiosShown(_Shown):
    """The figures of a span; null where there is nothing to divide by.

    `ltv_minor` is ARPU / customer churn: it takes churn to stay as it is, knows no margin, and
    leaps where few customers churn.
    """

    span: str
    mrr_minor: int
    arr_minor: int
    customers: int
    kept: KeptShown
    customer_churn: str | None
    gross_churn: str | None
    net_churn: str | None
    arpu_minor: int | None
    quick_ratio: str | None
    ltv_minor: int | None
    trials_ended: int
    trials_converted: int
    trial_conversion: str | None


def show_ratios(one: Ratios) -> RatiosShown:
    """Return the JSON form of a span's figures."""
    return RatiosShown(
        span=one.row.span.label,
        mrr_minor=one.row.closing_minor,
        arr_minor=one.arr_minor,
        customers=one.row.customers,
        kept=show_kept(one.kept),
        customer_churn=_share(one.customer_churn),
        gross_churn=_share(one.gross_churn),
        net_churn=_share(one.net_churn),
        arpu_minor=one.arpu_minor,
        quick_ratio=_share(one.quick_ratio),
        ltv_minor=one.ltv_minor,
        trials_ended=one.trials.ended,
        trials_converted=one.trials.converted,
        trial_conversion=_share(one.trial_conversion),
    )


class RetentionShown(_Shown):
    """All spans of a currency, and what became over all of them of who was there at first.

    `stability` is the part of each beginning's MRR that was left at the end, over all spans.
    """

    currency: str
    spans: list[RatiosShown]
    whole: KeptShown
    stability: str | None


def show_retention(one: Retention) -> RetentionShown:
    """Return the JSON form of a currency's retention."""
    return RetentionShown(
        currency=one.currency,
        spans=[show_ratios(ratios) for ratios in one.ratios],
        whole=show_kept(one.whole),
        stability=_share(stability(one.kept)),
    )


class CohortShown(_Shown):
    """Who came in a month, and who and what was left at the end of it and of each one after."""

    cohort: str
    currency: str
    customers_started: int
    mrr_started_minor: int
    customers: list[int]
    mrr_minor: list[int]


def show_cohort(one: Cohort) -> CohortShown:
    """Return a cohort's JSON form."""
    return CohortShown(
        cohort=one.month.label,
        currency=one.currency,
        customers_started=one.customers,
        mrr_started_minor=one.started_minor,
        customers=list(one.left),
        mrr_minor=list(one.left_minor),
    )


class FallShown(_Shown):
    """What was billed and earned: opening plus billed less earned is closing.

    Between the two stand `deferred` (billed, not earned) and `unbilled` (earned, not billed).
    """

    span: str
    currency: str
    opening_deferred_minor: int
    opening_unbilled_minor: int
    billed_minor: int
    earned_minor: int
    earned_by_kind: dict[LineOf, int]
    deferred_minor: int
    unbilled_minor: int


def show_fall(one: Fall) -> FallShown:
    """Return the JSON form of a span's revenue."""
    return FallShown(
        span=one.span.label,
        currency=one.currency,
        opening_deferred_minor=one.opening_deferred_minor,
        opening_unbilled_minor=one.opening_unbilled_minor,
        billed_minor=one.billed_minor,
        earned_minor=one.earned_minor,
        earned_by_kind=dict(one.by_kind),
        deferred_minor=one.deferred_minor,
        unbilled_minor=one.unbilled_minor,
    )


class EarnedShown(_Shown):
    """What a line of an invoice, or a purchase, earned in the time, and what is left of it."""

    document_id: str
    line: int
    kind: LineOf
    customer_id: str
    subscription_id: str | None
    plan: str | None
    currency: str
    amount_minor: int
    since: datetime
    until: datetime
    billed_at: datetime
    earned_minor: int
    left_minor: int


def show_share(one: Share) -> EarnedShown:
    """Return the JSON form of a line's share."""
    line = one.earning.line
    return EarnedShown(
        document_id=line.document_id,
        line=line.line,
        kind=line.of,
        customer_id=line.customer_id,
        subscription_id=line.subscription_id,
        plan=line.plan_key,
        currency=line.currency,
        amount_minor=line.amount_minor,
        since=line.since,
        until=line.until,
        billed_at=line.billed_at,
        earned_minor=one.earned_minor,
        left_minor=one.left_minor,
    )


class RevenueRateShown(_Shown):
    """What one unit of `base` is in `quote` from a day on, for at most 31 days."""

    base: str
    quote: str
    day: date
    rate: str


def show_rate(one: Rate) -> RevenueRateShown:
    """Return a rate's JSON form."""
    return RevenueRateShown(
        base=one.base, quote=one.quote, day=one.day, rate=plain_number(one.rate)
    )


class RevenuePolicyShown(_Shown):
    """In whose days the business counts; `currency` null: each by itself."""

    time_zone: str
    currency: str | None


def show_policy(one: Policy) -> RevenuePolicyShown:
    """Return the policy's JSON form."""
    return RevenuePolicyShown(time_zone=one.time_zone, currency=one.currency)


class RevenueRebuiltShown(_Shown):
    """Whether what is kept is what history gives."""

    same: bool
    customers: int
    movements: int
    lines: int
    differences: list[str]
    more: int


def show_rebuilt(one: Rebuilt) -> RevenueRebuiltShown:
    """Return the JSON form of a rebuild."""
    return RevenueRebuiltShown(
        same=one.same,
        customers=one.customers,
        movements=one.movements,
        lines=one.lines,
        differences=list(one.differences),
        more=one.more,
    )


def _share(value: Decimal | None) -> str | None:
    return None if value is None else plain_number(value)
