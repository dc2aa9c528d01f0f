"""What would a customer, or all of a plan, have paid? Nothing is written.

Rated by the same rules as invoices, from the same usage: under the plan that was held a simulation
comes to the invoices.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.errors import PlanNotFound
from solvent.kernel.catalogue.model import PlanVersion
from solvent.kernel.catalogue.parse import parse
from solvent.kernel.catalogue.rules import terms_digest
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import InvoiceDraft
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Subscription
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Ctx
from solvent.systems.billing.closing import MOMENT
from solvent.systems.billing.errors import SimulationMalformed
from solvent.systems.billing.simulation.model import (
    SimulatedCustomer,
    SimulatedPeriod,
    Simulation,
)
from solvent.systems.billing.taxes import service as taxes

PAGE: Final = 200
MONTHS_MAX: Final = 36
MONTHS_A_YEAR: Final = 12
LAST_DAY_OF_ALL: Final = 28
TEXT_FILE: Final = "prices.toml"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be simulated: of one customer, or of all who held the plan `instead_of`.

    `plan` None means `instead_of` by the prices of `catalogue_text`, a catalogue that need not be
    applied; `version` None means the latest.
    """

    customer: str | None = None
    plan: str | None = None
    version: int | None = None
    instead_of: str | None = None
    catalogue_text: bytes | None = None
    months: int = MONTHS_A_YEAR


async def simulate(ctx: Ctx, wish: Wish) -> Simulation:
    """Return what the periods that ended in the last months would have come to.

    Raises:
        SimulationMalformed: names the field.
        CustomerUnknown, PlanNotFound, CatalogueInvalid, MeterNotFound: there is none.
    """
    _check(wish)
    plan = await _plan(ctx, wish)
    since = months_before(ctx.now(), wish.months)
    customer_id = (await tenants.get_customer(ctx, wish.customer)).id if wish.customer else None
    found: defaultdict[str, list[SimulatedPeriod]] = defaultdict(list)
    skipped, after = 0, ""
    while True:
        page = await ledger.list_charged(
            ctx, customer_id=customer_id, since=since, after=after, limit=PAGE
        )
        wanted = [one for one in page if _is_of(one, wish.instead_of)]
        fitting = [one for one in wanted if one.invoice.draft.currency == plan.currency]
        skipped += len(wanted) - len(fitting)
        rated = await ledger.rate_under(ctx, fitting, plan, instead_of=wish.instead_of)
        for one, drafts in zip(fitting, rated, strict=True):
            found[one.held.customer_id].append(_period(one, drafts))
        if len(page) < PAGE:
            break
        after = page[-1].invoice.id
    return Simulation(
        plan_key=plan.plan_key,
        plan_version=plan.version,
        currency=plan.currency,
        since=since,
        customers=await _customers(ctx, found),
        skipped=skipped,
    )


def _check(wish: Wish) -> None:
    if not 1 <= wish.months <= MONTHS_MAX:
        raise SimulationMalformed(f"expected 1 to {MONTHS_MAX}", field="months")
    if wish.plan is None and (wish.catalogue_text is None or wish.instead_of is None):
        message = "expected a plan to simulate, or a plan and a catalogue with its new prices"
        raise SimulationMalformed(message, field="plan")
    if wish.customer is None and wish.instead_of is None:
        message = "expected a customer, or the plan whose customers are meant"
        raise SimulationMalformed(message, field="customer")
    if wish.plan is not None and wish.catalogue_text is not None and wish.version is not None:
        raise SimulationMalformed("a catalogue's plan has no version yet", field="version")


async def _plan(ctx: Ctx, wish: Wish) -> PlanVersion:
    """Return the plan to rate under, applied or not."""
    key = wish.plan or wish.instead_of or ""
    if wish.catalogue_text is None:
        return await catalogue.plan_version(ctx, key, wish.version)
    spec = parse(wish.catalogue_text, file=TEXT_FILE)
    for one in spec.plans:
        if one.key == key:
            digest = terms_digest(one.terms)
            return PlanVersion(key, 0, one.terms, digest, ctx.now())
    raise PlanNotFound(field="plan", given=key[:64])


def months_before(moment: datetime, months: int) -> datetime:
    """Return the moment so many calendar months before, on the 28th at the latest."""
    index = moment.year * MONTHS_A_YEAR + moment.month - 1 - months
    year, month = divmod(index, MONTHS_A_YEAR)
    day = min(moment.day, LAST_DAY_OF_ALL)
    return moment.replace(year=year, month=month + 1, day=day)


def _is_of(one: ledger.Charged, plan_key: str | None) -> bool:
    return plan_key in {None, one.invoice.draft.plan_key}


def _period(one: ledger.Charged, drafts: list[InvoiceDraft]) -> SimulatedPeriod:
    said = one.invoice.draft
    return SimulatedPeriod(
        start=said.period_start,
        end=said.period_end,
        reference=one.invoice.reference,
        subscription_id=said.subscription_id,
        was_minor=one.amount_minor,
        would_be_minor=sum(draft.total_minor for draft in drafts),
    )


async def _customers(
    ctx: Ctx, found: dict[str, list[SimulatedPeriod]]
) -> tuple[SimulatedCustomer, ...]:
    """Return the customers, whoever would have paid most more first."""
    held = await tenants.customers_by_ids(ctx, sorted(found))
    customers = [
        SimulatedCustomer(
            id_,
            held[id_].external_ref if id_ in held else id_,
            tuple(sorted(periods, key=lambda one: one.start)),
        )
        for id_, periods in found.items()
    ]
    return tuple(sorted(customers, key=lambda one: (-one.delta_minor, one.customer_ref)))


async def preview(ctx: Ctx, customer: str) -> list[tuple[Subscription, InvoiceDraft]]:
    """Return what the invoices of a customer's running periods would say by now, with their tax.

    Raises:
        CustomerUnknown: there is no such customer.
        TaxRateMissing: no rate is known for the country that taxes it.
    """
    buyer = await tenants.get_customer(ctx, customer)
    found: list[tuple[Subscription, InvoiceDraft]] = []
    for held in await subscriptions.list_current(ctx, buyer.id):
        tax = await taxes.tax_for(ctx, buyer.id, at=held.period.end - MOMENT)
        said = await ledger.preview_period(ctx, held, held.period, tax=tax)
        found.append((held, said))
    return found
