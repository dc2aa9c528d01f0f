"""Why is a license file refused? In the order in which it is looked for."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """One word for programs; `SENTENCES` has one for people."""

    TOO_LARGE = "too_large"
    NOT_A_LICENSE_FILE = "not_a_license_file"
    TRUNCATED = "truncated"
    MALFORMED = "malformed"
    ALGORITHM_NOT_SUPPORTED = "algorithm_not_supported"
    WRONG_KIND = "wrong_kind"
    FOREIGN = "foreign"
    SIGNATURE_INVALID = "signature_invalid"
    LICENSE_KEY_NEEDED = "license_key_needed"
    FINGERPRINT_NEEDED = "fingerprint_needed"
    LICENSE_KEY_WRONG = "license_key_wrong"
    PAYLOAD_MALFORMED = "payload_malformed"
    VERSION_NOT_SUPPORTED = "version_not_supported"
    FINGERPRINT_MISMATCH = "fingerprint_mismatch"
    FROM_THE_FUTURE = "from_the_future"
    FILE_EXPIRED = "file_expired"
    LICENSE_REVOKED = "license_revoked"
    LICENSE_SUSPENDED = "license_suspended"
    LICENSE_EXPIRED = "license_expired"
    REVOCATION_LIST_NEEDED = "revocation_list_needed"
    REVOCATION_LIST_TOO_OLD = "revocation_list_too_old"
    RELEASE_NOT_COVERED = "release_not_covered"


SENTENCES = {
    Reason.TOO_LARGE: "The file is larger than any license file.",
    Reason.NOT_A_LICENSE_FILE: "This is no license file: its first line is not one's.",
    Reason.TRUNCATED: "The end of the file is missing.",
    Reason.MALFORMED: "The file was damaged on its way: it cannot be decoded.",
    Reason.ALGORITHM_NOT_SUPPORTED: "The file says to be signed in a way that is not accepted.",
    Reason.WRONG_KIND: "A machine file was dressed up as a license file, or the other way round.",
    Reason.FOREIGN: "The file was signed by somebody else's key.",
    Reason.SIGNATURE_INVALID: "The file was changed after it was signed, or was never signed.",
    Reason.LICENSE_KEY_NEEDED: "The file is encrypted: its license key is needed to open it.",
    Reason.FINGERPRINT_NEEDED: "The file is encrypted: its machine's fingerprint is needed too.",
    Reason.LICENSE_KEY_WRONG: "The file does not open with this license key and fingerprint.",
    Reason.PAYLOAD_MALFORMED: "The file is genuine and does not say what a license file must say.",
    Reason.VERSION_NOT_SUPPORTED: "The file is of a newer format than this program reads.",
    Reason.FINGERPRINT_MISMATCH: "The file is for another machine.",
    Reason.FROM_THE_FUTURE: "The file was made later than this machine's clock says it is.",
    Reason.FILE_EXPIRED: "The file has expired: fetch a new one.",
    Reason.LICENSE_REVOKED: "The license was revoked.",
    Reason.LICENSE_SUSPENDED: "The license is suspended.",
    Reason.LICENSE_EXPIRED: "The license has expired.",
    Reason.REVOCATION_LIST_NEEDED: "A revocation list is needed beside this file.",
    Reason.REVOCATION_LIST_TOO_OLD: "The revocation list is too old: fetch a new one.",
    Reason.RELEASE_NOT_COVERED: "This release came after the license's maintenance ended.",
}
