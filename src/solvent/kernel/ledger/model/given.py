"""What goes into an invoice?"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from solvent.kernel.catalogue.model import PlanVersion
from solvent.kernel.ledger.model.invoice import (
    Advanced,
    Corrected,
    Discount,
    InvoiceKind,
    InvoiceLine,
    Item,
    Places,
    TaxRule,
)
from solvent.kernel.metering.model import Changed, Measure, Period
from solvent.kernel.subscriptions.model import FeePeriod


@dataclass(frozen=True, slots=True)
class Usage:
    """What a price of a plan charges in a stretch: one measure, or one for each group."""

    price_key: str
    measures: tuple[Measure, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a stretch in which so many seats were held."""

    period: Period
    quantity: int = 1


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a period under one version of a plan, with the usage that each price charges.

    `parts` follow one another without a hole; none: one seat was held throughout.
    """

    version: PlanVersion
    period: Period
    usage: tuple[Usage, ...]
    parts: tuple[Part, ...] = ()
    addon_id: str | None = None
    """The add-on whose plan it is."""

    @property
    def parts_held(self) -> tuple[Part, ...]:
        """Return the parts, at least one."""
        return self.parts or (Part(self.period),)


@dataclass(frozen=True, slots=True)
class Correction:
    """A line of a final invoice, as it is rated anew or as it was, and what it was charged."""

    invoice_id: str
    reference: str
    line: InvoiceLine
    before_minor: int
    after_minor: int
    before_quantity: Decimal
    after_quantity: Decimal
    changed: Changed | None
    """The usage that makes the difference; None where it follows from other lines."""


@dataclass(frozen=True, slots=True)
class LateInput:
    """What is to be corrected on an invoice.

    `late_from` is the place since which late usage was looked for; where some `waits`, the next
    invoice looks from there again.
    """

    corrections: tuple[Correction, ...]
    corrected: tuple[Corrected, ...]
    late_from: int
    waits: bool


@dataclass(frozen=True, slots=True)
class DraftInput:
    """All that an invoice is made of: nothing here can change after the period is over.

    `headline` is the version whose name stands on the invoice: the last of the period. `fee` says
    what a fee is for; None: for this period.
    """

    kind: InvoiceKind
    customer_id: str
    subscription_id: str
    period: Period
    headline: PlanVersion
    stretches: tuple[Stretch, ...]
    usage_up_to: int
    tax: TaxRule | None = None
    fee: FeePeriod | None = None
    items: tuple[Item, ...] = ()
    discounts: tuple[Discount, ...] = ()
    advanced: Advanced = ()
    time_zone: str = "UTC"
    """In which zone a plan's days are counted."""
    addons: tuple[Stretch, ...] = ()
    """In which parts of the stretches the subscription had which add-on."""
    trial: bool = False
    """Whether the period is a trial, which costs what the headline says."""
    places: Places = ()
    late: LateInput | None = None
    """What late usage makes of earlier invoices; None: there is none."""
