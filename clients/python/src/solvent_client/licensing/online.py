"""How does a program with a network activate, renew and tell of usage, with no file being carried?

    online = Online(licensing, "https://billing.example.com", "acme")
    license = online.activate(license_key)

Nothing here is needed to run: what `activate` brought is verified offline, as a carried file is.
"""

from typing import Final

from solvent_client.licensing.client import Account, Licensing
from solvent_client.licensing.license import License
from solvent_client.licensing.refusal import LicenseRefused, refusal
from solvent_client.licensing.server import TIMEOUT_S, LicenseServer


class Online:
    """A program's licensing on this machine, and its publisher's server.

    Every method raises LicenseRefused where the server cannot be reached or refuses, and what was
    there before stays as it is.

    Args:
        licensing: the program's.
        url: the license server's address.
        tenant: the publisher's name there.
        timeout_s: how long one call may take.

    Raises:
        ValueError: the address cannot be one.
    """

    def __init__(
        self, licensing: Licensing, url: str, tenant: str, *, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._licensing: Final = licensing
        self._server: Final = LicenseServer(url, tenant, timeout_s=timeout_s)

    def activate(self, license_key: str, *, name: str | None = None) -> License:
        """Activate this machine; `name` is what the customer calls it."""
        request = self._licensing.request(license_key=license_key, name=name)
        text = self._server.post("/activations", {"request": request, "license_key": license_key})
        return self._licensing.activate(text, license_key=license_key)

    def begin_trial(self) -> License:
        """Begin the trial that this machine has once."""
        request = self._licensing.request(trial=True)
        return self._licensing.activate(self._server.post("/activations", {"request": request}))

    def renew(self) -> License:
        """Fetch a new file before the old one ends, and tell what was used until now."""
        told = self._account()
        body = {"license_key": told.license_key, "activation": told.activation, "used": told.used}
        text = self._server.post("/renewals", body)
        return self._licensing.activate(text, license_key=told.license_key)

    def report_usage(self) -> None:
        """Tell what was used in all; telling it again adds nothing."""
        told = self._account()
        body = {"license_key": told.license_key, "activation": told.activation, "used": told.used}
        self._server.post("/usage", body)

    def fetch_revocations(self) -> int:
        """Import the newest revocation list and return its serial number."""
        return self._licensing.import_revocations(self._server.get("/revocations"))

    def deactivate(self) -> None:
        """Destroy this machine's license and free its place.

        Where the server is away the license is destroyed all the same: asked again, it hands the
        same proof in. What came in typed codes goes back in typed codes, not from here.
        """
        proof = self._licensing.deactivate()
        if proof.startswith("-----BEGIN"):
            self._server.post("/deactivations", {"proof": proof})

    def _account(self) -> Account:
        told = self._licensing.account()
        if told is None:
            raise LicenseRefused(refusal("not_activated"))
        return told
