"""How does a program take one of the license's floating seats, keep it, and give it back?

    with Floating(licensing, "https://billing.example.com", "acme", key) as seat:
        while seat.is_held():
            ...

A seat is a license file that lives a few minutes. A thread renews it; whoever crashes frees their
seat when the file ends, without anybody noticing the crash. While the server cannot be reached the
file that is there goes on to be good until its end.
"""

import threading
from types import TracebackType
from typing import Final, Self

from solvent_client.licensing.client import Licensing
from solvent_client.licensing.license import License
from solvent_client.licensing.refusal import LicenseRefused, Refusal, refusal
from solvent_client.licensing.server import TIMEOUT_S, LicenseServer

_OFTEN: Final = 3
"""A lease is renewed three times as often as it must be: two tries may fail."""
_SHORTEST_S: Final = 0.05
_DEFAULT_HEARTBEAT_S: Final = 60
_FINAL: Final = frozenset({
    "lease_lost", "license_expired", "license_revoked", "license_suspended", "server_refused",
})  # fmt: skip
"""What no other try changes. After anything else it is tried again: the file is good a while."""


class Floating:
    """One seat of a floating license, for as long as this object is open. Use it with `with`.

    Args:
        licensing: the program's.
        url: the license server's address.
        tenant: the publisher's name there.
        license_key: what the customer received.
        timeout_s: how long one call may take.

    Raises:
        ValueError: the address cannot be one.
        LicenseRefused: (on entering) no seat is free, or the server refuses or is away.
    """

    def __init__(
        self,
        licensing: Licensing,
        url: str,
        tenant: str,
        license_key: str,
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._server = LicenseServer(url, tenant, timeout_s=timeout_s)
        self._licensing = licensing
        self._license_key = license_key
        self._timeout_s = timeout_s
        self._closed = threading.Event()
        self._renewer: threading.Thread | None = None
        self._lost: Refusal | None = None
        self._activation: str | None = None

    def __enter__(self) -> Self:
        """Take a seat and begin to renew it."""
        request = self._licensing.request(license_key=self._license_key)
        body = {"request": request, "license_key": self._license_key}
        text = self._server.post("/activations", body)
        license_ = self._licensing.activate(text, license_key=self._license_key)
        self._activation = license_.terms.activation
        every_s = license_.terms.ours.heartbeat_s or _DEFAULT_HEARTBEAT_S
        self._closed.clear()
        self._lost = None
        self._renewer = threading.Thread(
            target=self._renew_until_closed,
            args=(max(every_s / _OFTEN, _SHORTEST_S),),
            name="solvent-lease",
            daemon=True,
        )
        self._renewer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the seat back at once; where the server is away it becomes free by itself."""
        self._closed.set()
        if self._renewer is not None:
            self._renewer.join(self._timeout_s)
        try:
            proof = self._licensing.deactivate()
            if proof:
                self._server.post("/deactivations", {"proof": proof})
        except LicenseRefused:
            return

    def check(self) -> License | Refusal:
        """Return the license, or why the seat is lost."""
        if self._lost is not None:
            return self._lost
        found = self._licensing.check()
        if isinstance(found, Refusal) and found.reason == "file_expired":
            return refusal("lease_lost")
        return found

    def is_held(self) -> bool:
        """Say whether the seat is still held."""
        return isinstance(self.check(), License)

    # --------------------------------------------------------------------------------- renewing

    def _renew_until_closed(self, every_s: float) -> None:
        while not self._closed.wait(every_s):
            refused = self._renew_once()
            if refused is not None and refused.reason in _FINAL:
                self._lost = refused
                return

    def _renew_once(self) -> Refusal | None:
        body: dict[str, object] = {
            "license_key": self._license_key,
            "activation": self._activation,
        }
        if (told := self._licensing.account()) is not None:
            body["used"] = told.used
        try:
            text = self._server.post("/renewals", body)
            self._licensing.activate(text, license_key=self._license_key)
        except LicenseRefused as refused:
            return refused.refusal
        return None
