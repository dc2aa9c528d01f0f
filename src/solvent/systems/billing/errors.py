"""In which ways can billing refuse?"""

from __future__ import annotations

from solvent.kit.errors import Conflict, Invalid, NotFound, Unavailable


class EarlierPeriodOpen(Unavailable):
    """An earlier period of this subscription was charged and is not invoiced yet."""

    code = "billing.earlier_period_open"


class InvoiceStillDraft(Conflict):
    """A draft has no document yet; it gets one with its number."""

    code = "billing.invoice_still_draft"


class ReferenceMalformed(Invalid):
    """An invoice is named by its id (inv_…) or its number (INV-000042 or 42)."""

    code = "billing.reference_malformed"


class FileTaken(Conflict):
    """There is a file of this name already."""

    code = "billing.file_taken"


class FolderMissing(Invalid):
    """The folder to write to does not exist."""

    code = "billing.folder_missing"


class NotParked(Conflict):
    """This account is not parked: it is charged as usual."""

    code = "billing.not_parked"


class TaxIdInvalid(Invalid):
    """This is no tax identifier of that country: its form or its check digits are wrong."""

    code = "billing.tax_id_invalid"


class TaxRateMissing(Conflict):
    """No tax rate is known for this country on this day; state one first."""

    code = "billing.tax_rate_missing"


class TaxRateUnknown(NotFound):
    """There is no tax rate of this country that begins on this day."""

    code = "billing.tax_rate_unknown"


class PartyMalformed(Invalid):
    """A seller or a buyer is named by printable texts of one line."""

    code = "billing.party_malformed"


class SellerUnknown(NotFound):
    """Who sells has not been stated yet."""

    code = "billing.seller_unknown"


class LogoMalformed(Invalid):
    """A logo is an SVG or a PNG of at most 200 kB that can be set on a page."""

    code = "billing.logo_malformed"


class NoElectronicInvoice(Conflict):
    """This document cannot be an electronic invoice by EN 16931; the reasons are named."""

    code = "billing.no_electronic_invoice"


class MigrationMalformed(Invalid):
    """A migration leads from one version of a plan to another of its product and currency."""

    code = "billing.migration_malformed"


class MigrationNotFound(NotFound):
    """There is no such migration."""

    code = "billing.migration_not_found"


class MigrationNotUndoable(Conflict):
    """Only what is planned can be taken back; migrate back what has moved."""

    code = "billing.migration_not_undoable"


class OtherChangePlanned(Conflict):
    """The subscription is to change to yet another plan; a migration leaves that alone."""

    code = "billing.other_change_planned"


class SimulationMalformed(Invalid):
    """A simulation is of a customer or of a plan's customers, under a plan, over 1 to 36 months."""

    code = "billing.simulation_malformed"
