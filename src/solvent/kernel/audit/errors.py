"""Which requests about the audit log are refused?"""

from __future__ import annotations

from solvent.kit.errors import Invalid


class ProofUnreadable(Invalid):
    """This file is not an audit proof as `solvent audit export` writes it."""

    code = "audit.proof_unreadable"


class CursorUnknown(Invalid):
    """This cursor was not made by this listing."""

    code = "audit.cursor_unknown"
