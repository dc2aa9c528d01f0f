"""In which ways can licensing refuse?"""

from __future__ import annotations

from solvent.kit.errors import Conflict, Denied, Invalid, LimitReached, NotFound, Unavailable


class PolicyInvalid(Invalid):
    """A policy's terms do not add up."""

    code = "licensing.policy_invalid"


class PolicyNotFound(NotFound):
    """There is no such policy."""

    code = "licensing.policy_not_found"


class LicenseNotFound(NotFound):
    """There is no such license."""

    code = "licensing.license_not_found"


class ActivationNotFound(NotFound):
    """There is no such activation."""

    code = "licensing.activation_not_found"


class PurchaseNotFound(NotFound):
    """No purchase of this name waits for a license."""

    code = "licensing.purchase_not_found"


class FileUnreadable(Invalid):
    """This is not what it should be: an unchanged file of its kind."""

    code = "licensing.file_unreadable"


class RequestInvalid(Invalid):
    """This activation request does not hold what one must hold."""

    code = "licensing.request_invalid"


class RequestUsed(Conflict):
    """This request was answered before: its activation has ended, or it was another machine's."""

    code = "licensing.request_used"


class ProductMismatch(Conflict):
    """The license is for another product than the one that asks."""

    code = "licensing.product_mismatch"


class ProofInvalid(Invalid):
    """This does not prove that the machine has given up its file."""

    code = "licensing.proof_invalid"


class CodeMistyped(Invalid):
    """A line of this code was mistyped."""

    code = "licensing.code_mistyped"


class FeaturesTooLong(Conflict):
    """The features of this license do not fit into a typed code; carry a file instead."""

    code = "licensing.features_too_long"


class UsageMalformed(Invalid):
    """Usage is told as totals: period -> meter -> a whole number from 0."""

    code = "licensing.usage_malformed"


class LicenseKeyMalformed(Invalid):
    """A license key has 16 to 512 visible ASCII characters."""

    code = "licensing.license_key_malformed"


class LicenseKeyWrong(Invalid):
    """This is not the key of this license."""

    code = "licensing.license_key_wrong"


class LicenseKeyTaken(Conflict):
    """Another license has this key already."""

    code = "licensing.license_key_taken"


class LicenseRevoked(Denied):
    """This license was revoked."""

    code = "licensing.license_revoked"


class LicenseSuspended(Denied):
    """This license is suspended."""

    code = "licensing.license_suspended"


class LicenseExpired(Denied):
    """This license has expired."""

    code = "licensing.license_expired"


class LicenseFinal(Conflict):
    """A revoked license stays revoked."""

    code = "licensing.license_final"


class SchemeMismatch(Conflict):
    """This license does not work this way: seats are for people, the others for machines."""

    code = "licensing.scheme_mismatch"


class SlotsTaken(LimitReached):
    """All machines, leases or seats of this license are taken; deactivate one first."""

    code = "licensing.slots_taken"


class FilesAlive(LimitReached):
    """Files of machines that moved on are still alive; wait until the first of them has expired."""

    code = "licensing.files_alive"


class LeaseLost(Conflict):
    """The activation has ended; activate again."""

    code = "licensing.lease_lost"


class TrialsTooMany(LimitReached):
    """More trials of this product began within a day than are let in; try again tomorrow."""

    code = "licensing.trials_too_many"


class TrialUsed(Denied):
    """This machine has had its trial of this product."""

    code = "licensing.trial_used"


class ReleaseInvalid(Invalid):
    """A release has a product, a version of at most 64 characters, and the moment it came out."""

    code = "licensing.release_invalid"


class KeyRotated(Unavailable):
    """The signing key was rotated at this very moment; try again."""

    code = "licensing.key_rotated"


class PublicKeyMalformed(Invalid):
    """A public key is 64 hex digits."""

    code = "licensing.public_key_malformed"


class FileMissing(Invalid):
    """There is no such file, or it cannot be read."""

    code = "licensing.file_missing"
