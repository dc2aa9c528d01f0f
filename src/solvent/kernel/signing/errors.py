"""Why can a signature not be made or believed?"""

from __future__ import annotations

from solvent.kit.errors import Conflict, Invalid, NotFound


class KeyUnknown(NotFound):
    """This tenant has no signing key of that kid."""

    code = "signing.key_unknown"


class KeyRevoked(Invalid):
    """The key that made this signature has been revoked; nothing it signed is believed."""

    code = "signing.key_revoked"


class KeyAlreadyRevoked(Conflict):
    """This key is revoked already; a revocation cannot be undone."""

    code = "signing.key_already_revoked"


class SignatureInvalid(Invalid):
    """This signature was not made by that key over this message for this purpose."""

    code = "signing.signature_invalid"
