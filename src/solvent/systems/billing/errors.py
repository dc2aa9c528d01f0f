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


class FolderMissing(NotFound):
    """The folder to write to does not exist."""

    code = "billing.folder_missing"


class NotParked(Conflict):
    """This account is not parked: it is charged as usual."""

    code = "billing.not_parked"
