"""How does a command say which numbers it means, and how are amounts shown to people?"""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import Annotated, TypeAlias

import typer

from solvent.kit.money import EXACT, Money, format_money, plain_number
from solvent.systems.revenue.model import Span, Step
from solvent.systems.revenue.rules.spans import span_named
from solvent.systems.revenue.service import Ask

EMPTY = (
    "No recurring revenue yet: it begins with the first charged second of a subscription"
    " (solvent subscription list). Had there been some? solvent revenue rebuild"
)
EACH = "each"

FromOption: TypeAlias = Annotated[
    str | None, typer.Option("--from", help="First month or day, as 2026-01 or 2026-01-15.")
]
ToOption: TypeAlias = Annotated[str | None, typer.Option("--to", help="Last month or day.")]
ByOption: TypeAlias = Annotated[Step, typer.Option("--by", help="A row a day, or a month.")]
CurrencyOption: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Report in this currency; `each`: every one by itself. Default: the policy."),
]
CustomerOption: TypeAlias = Annotated[
    str | None, typer.Option(help="Only this customer, by id or own reference.")
]
PlanOption: TypeAlias = Annotated[str | None, typer.Option(help="Only this plan.")]
SpanArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="WHEN", help="A month, 2026-11, or a day, 2026-11-23.")
]


def ask_of(
    since: str | None = None,
    until: str | None = None,
    *,
    by: Step = Step.MONTH,
    currency: str | None = None,
    customer: str | None = None,
) -> Ask:
    """Return what options ask for.

    Raises:
        SpanMalformed: names the option.
    """
    each = currency == EACH
    return Ask(
        since=span_named(since, field="--from").start if since else None,
        until=span_named(until, field="--to").end if until else None,
        step=by,
        currency=None if each else currency,
        each=each,
        customer=customer,
    )


def ask_within(span: Span, *, currency: str | None = None, customer: str | None = None) -> Ask:
    """Return a question about one month or day."""
    each = currency == EACH
    step = Step.DAY if span.label == span.start.isoformat() else Step.MONTH
    return Ask(
        span.start,
        span.end,
        step,
        currency=None if each else currency,
        each=each,
        customer=customer,
    )


def money(amount_minor: int | None, currency: str) -> str:
    """Return an amount for people, or a dash for one that there is not."""
    return "-" if amount_minor is None else format_money(Money(amount_minor, currency))


def percent(value: Decimal | None) -> str:
    """Return a share as percent, or a dash for one that there is not."""
    return "-" if value is None else f"{plain_number(EXACT.scaleb(value, 2))} %"


def number(value: Decimal | None) -> str:
    """Return a number, or a dash for one that there is not."""
    return "-" if value is None else plain_number(value)


def drawn(picture: str) -> list[str]:
    """Return a picture for people; a pipe gets none of it."""
    return [picture] if sys.stdout.isatty() else []
