"""Why may this program not run here, said so that a person can do something about it?"""

from typing import Final, NamedTuple


class Refusal(NamedTuple):
    """One reason: a stable word for programs, a sentence for people, and what helps."""

    reason: str
    sentence: str
    help: str

    def __str__(self) -> str:
        return f"{self.sentence} {self.help}".strip()


_ASK: Final = "Ask the publisher for a new file."
_AGAIN: Final = "Take a fresh copy of the file: open it in no editor, send it as an attachment."
_ACTIVATE: Final = "Activate it: run it with --activate."
_CLOCK: Final = "Set this computer's date and time right, then start the program again."

_TOLD: Final[dict[str, tuple[str, str]]] = {
    # what is wrong with the file
    "too_large": ("This is too large to be a license file.", "Choose the file license.lic."),
    "not_a_license_file": ("This is not a license file.", "Choose the file license.lic."),
    "truncated": ("The license file ends before its last line.", _AGAIN),
    "malformed": ("The license file is damaged.", _AGAIN),
    "algorithm_not_supported": (
        "The license file is signed in a way that this program does not accept.",
        "Update the program, or ask the publisher.",
    ),
    "wrong_kind": ("The content of this file belongs to another kind of license file.", _ASK),
    "foreign": ("The license file is from another publisher.", "Choose the one of this program."),
    "signature_invalid": ("The license file was changed, or is not the publisher's.", _AGAIN),
    "license_key_needed": (
        "The license file is encrypted.",
        "Give the license key that you received when you bought: --license-key KEY.",
    ),
    "fingerprint_needed": ("The license file is encrypted for a machine.", _ACTIVATE),
    "license_key_wrong": (
        "The license file does not open with this license key on this machine.",
        "Check the license key, and that the file was made for this machine.",
    ),
    "payload_malformed": ("The license file holds something else than a license.", _ASK),
    "version_not_supported": (
        "The license file is newer than this program understands.",
        "Update the program.",
    ),
    "other_product": ("The license is for another product.", "Choose the file of this program."),
    # what is wrong here and now
    "fingerprint_mismatch": (
        "The license was activated on another machine.",
        "Deactivate it there and activate it here with --activate.",
    ),
    "from_the_future": ("The license was issued later than this computer's clock says.", _CLOCK),
    "clock_moved_back": ("This computer's clock was set back.", _CLOCK),
    "file_expired": (
        "The license file has expired; the license itself may not have.",
        "Renew the file: run the program with --activate.",
    ),
    "license_expired": ("The license has expired.", "Renew it with the publisher."),
    "license_revoked": ("The license was revoked.", "Ask the publisher why."),
    "license_suspended": ("The license is suspended.", "Ask the publisher why."),
    "revocation_list_needed": (
        "This license needs a current revocation list.",
        "Download it from the publisher and import it with --activate FILE.",
    ),
    "revocation_list_too_old": (
        "The revocation list is too old.",
        "Download a new one from the publisher and import it with --activate FILE.",
    ),
    "revocation_list_older": ("A newer revocation list has already been imported.", ""),
    "release_not_covered": (
        "This release came out after the license's maintenance ended.",
        "Renew the maintenance, or use the older release.",
    ),
    # what is wrong with what is kept on this machine
    "not_activated": ("There is no license on this machine yet.", _ACTIVATE),
    "deactivated": ("The license was deactivated on this machine.", _ACTIVATE),
    "store_damaged": ("What this machine keeps of the license is damaged.", _ACTIVATE),
    "store_copied": ("The license was copied here from another machine.", _ACTIVATE),
    "store_locked": (
        "The system's key ring is locked or does not hold the license's key.",
        "Unlock it, or activate again with --activate.",
    ),
    "store_deleted": (
        "What this machine kept of the license was deleted.",
        _ACTIVATE,
    ),
    "store_restored": (
        "An old copy of what this machine keeps of the license was put back.",
        _ACTIVATE,
    ),
    "store_not_writable": (
        "The license cannot be kept: its folder cannot be written.",
        "Make the folder writable for you.",
    ),
    "fingerprint_unstable": (
        "Nothing here tells this container from another.",
        "Ask the publisher how to give the program a name of its own in containers.",
    ),
    # what is wrong with an answer to a request
    "response_not_awaited": (
        "This file answers no request that waits on this machine.",
        "A response works once, on the machine that asked: make a new request with --activate.",
    ),
    "trial_used": ("The trial was already used on this machine.", "Buy a license."),
    "code_mistyped": ("There is a typing mistake in the code.", "Check it and type it again."),
    "file_unreadable": ("The file cannot be read.", "Check its name and that you may read it."),
    "file_not_writable": ("The file cannot be written.", "Say another with --output FILE."),
    # what is wrong with a lease
    "no_seat_free": (
        "Every seat of the license is in use.",
        "Close the program on another machine, or wait until one is free.",
    ),
    "lease_lost": (
        "The seat was given up because the license server could not be reached in time.",
        "Check the connection and start again.",
    ),
    "server_unreachable": ("The license server cannot be reached.", "Check the connection."),
    "server_refused": ("The license server refused.", "Ask the publisher."),
}

REASONS: Final = frozenset(_TOLD)


def refusal(reason: str, detail: str = "") -> Refusal:
    """Return the refusal of this reason; `detail` is put behind its sentence."""
    sentence, helps = _TOLD[reason]
    return Refusal(reason, f"{sentence} {detail}".strip(), helps)


class LicenseRefused(Exception):
    """This program may not run here now; the text says why and what helps.

    `reason` is the stable word, `refusal` all of it.
    """

    def __init__(self, refused: Refusal) -> None:
        super().__init__(str(refused))
        self.refusal = refused
        self.reason = refused.reason
