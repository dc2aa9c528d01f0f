"""What do the sums of a month say: churn, retention, quick ratio, lifetime value?

| figure | definition |
|---|---|
| ARR | MRR x 12 (ChartMogul) |
| ARPU | MRR / customers, at the end (Stripe, "Billing metric definitions") |
| customer churn | those of the beginning who are gone at the end / all of them (ChartMogul) |
| gross MRR churn | (churn + contraction) / MRR of the beginning (Baremetrics) |
| net MRR churn | the same less expansion and reactivation (ChartMogul) |
| GRR | of the customers of the beginning: the lesser of beginning and end / beginning |
| NRR | of the customers of the beginning: what they are worth at the end / beginning |
| quick ratio | (new + expansion + reactivation) / (churn + contraction) (Mamoon Hamid) |
| LTV | ARPU / customer churn (Stripe) |
| stability | what is left at each month's end of its beginning's MRR, over all months |

LTV in this form takes churn to stay as it is and every customer to be alike, knows no margin and no
discounting, and leaps where few customers churn: a rough size, not a forecast.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal

from solvent.kit.money import round_minor
from solvent.systems.revenue.model import Kept, Kind, Ratios, Row, Trials
from solvent.systems.revenue.rules.exchange import half_away

MONTHS_A_YEAR = 12
PLACES = Decimal("0.0001")
WIDE = Context(prec=60, rounding=ROUND_HALF_UP)


def ratio(part: int, whole: int) -> Decimal | None:
    """Return a share to four decimals; None where there is nothing to divide by."""
    if whole <= 0:
        return None
    return WIDE.divide(Decimal(part), Decimal(whole)).quantize(PLACES, context=WIDE)


def ratios_of(row: Row, kept: Kept, trials: Trials) -> Ratios:
    """Return the figures of a span."""
    arpu_minor = half_away(max(row.closing_minor, 0), row.customers) if row.customers > 0 else None
    back_minor = row.moved.get(Kind.EXPANSION, 0) + row.moved.get(Kind.REACTIVATION, 0)
    return Ratios(
        row=row,
        kept=kept,
        trials=trials,
        arr_minor=row.closing_minor * MONTHS_A_YEAR,
        arpu_minor=arpu_minor,
        customer_churn=ratio(kept.lost, kept.customers),
        gross_churn=ratio(row.lost_minor, row.opening_minor),
        net_churn=ratio(row.lost_minor - back_minor, row.opening_minor),
        grr=ratio(kept.held_minor, kept.opening_minor),
        nrr=ratio(kept.closing_minor, kept.opening_minor),
        quick_ratio=ratio(row.gained_minor, row.lost_minor),
        ltv_minor=lifetime_minor(arpu_minor, kept),
        trial_conversion=ratio(trials.converted, trials.ended),
    )


def lifetime_minor(arpu_minor: int | None, kept: Kept) -> int | None:
    """Return ARPU / churn; None where nobody left, since then it has no end."""
    if arpu_minor is None or not kept.lost:
        return None
    exact = WIDE.divide(Decimal(arpu_minor * kept.customers), Decimal(kept.lost))
    return round_minor(exact)


def stability(kept: Sequence[Kept]) -> Decimal | None:
    """Return how much of what stood at each beginning was left at the end, over all spans."""
    return ratio(sum(one.held_minor for one in kept), sum(one.opening_minor for one in kept))
