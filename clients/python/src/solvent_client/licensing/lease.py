"""How does a program take one of the license's floating seats, keep it, and give it back?

    with Floating(licensing, "https://billing.example.com", "acme", key) as seat:
        while seat.is_held():
            ...

A seat is a license file that lives a few minutes. A thread renews it; whoever crashes frees their
seat when the file ends, without anybody noticing the crash. While the server cannot be reached the
file that is there goes on to be good until its end.
"""

import http.client
import json
import ssl
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self, cast
from urllib.parse import urlsplit

from solvent_client.licensing.client import Licensing
from solvent_client.licensing.envelope import MAX_BYTES, parse_json
from solvent_client.licensing.license import License
from solvent_client.licensing.refusal import REASONS, LicenseRefused, Refusal, refusal

_TIMEOUT_S: Final = 10.0
_OFTEN: Final = 3
"""A lease is renewed three times as often as it must be: two tries may fail."""
_SHORTEST_S: Final = 0.05
_DEFAULT_HEARTBEAT_S: Final = 60
_FINAL: Final = frozenset({
    "lease_lost", "license_expired", "license_revoked", "license_suspended", "server_refused",
})  # fmt: skip
"""What no other try changes. After anything else it is tried again: the file is good a while."""

_TOO_MANY: Final = 429
_BAD: Final = 400
_BROKEN: Final = 500


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
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("url: expected https://host")
        self._licensing = licensing
        self._license_key = license_key
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._path = f"{parts.path.rstrip('/')}/v1/t/{tenant}/licensing"
        self._timeout_s = timeout_s
        self._closed = threading.Event()
        self._renewer: threading.Thread | None = None
        self._lost: Refusal | None = None
        self._activation: str | None = None

    def __enter__(self) -> Self:
        """Take a seat and begin to renew it."""
        request = self._licensing.request(license_key=self._license_key)
        body = {"request": request, "license_key": self._license_key}
        text = self._post("/activations", body)
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
                self._post("/deactivations", {"proof": proof})
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
        body = {"license_key": self._license_key, "activation": self._activation}
        try:
            self._licensing.activate(self._post("/renewals", body), license_key=self._license_key)
        except LicenseRefused as refused:
            return refused.refusal
        return None

    # -------------------------------------------------------------------------------------- calling

    def _post(self, path: str, body: Mapping[str, object]) -> str:
        """Return the text that the server answers with.

        Raises:
            LicenseRefused: it cannot be reached, or says no.
        """
        connection = self._connection()
        try:
            headers = {"Content-Type": "application/json", "Accept": "application/json"}
            connection.request("POST", self._path + path, json.dumps(body), headers)
            answer = connection.getresponse()
            status, content = answer.status, answer.read(2 * MAX_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise LicenseRefused(refusal("server_unreachable", f"{error}.")) from error
        finally:
            connection.close()
        told = parse_json(content)
        if status >= _BAD or not isinstance(told, dict):
            raise LicenseRefused(_refused(status, told))
        text = cast("Mapping[str, object]", told).get("text")
        return text if isinstance(text, str) else ""

    def _connection(self) -> http.client.HTTPConnection:
        if not self._secure:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        return http.client.HTTPSConnection(
            self._host, self._port, timeout=self._timeout_s, context=ssl.create_default_context()
        )


def _refused(status: int, told: object) -> Refusal:
    """Return the refusal of a server's answer (RFC 9457, with a stable `code`)."""
    none: Mapping[str, object] = {}
    fields = cast("Mapping[str, object]", told) if isinstance(told, dict) else none
    code, detail = str(fields.get("code", "")), str(fields.get("detail", ""))
    reason = code.rpartition(".")[2]
    if status >= _BROKEN or (status == _TOO_MANY and reason not in {"slots_taken", "files_alive"}):
        return refusal("server_unreachable", f"It answered {status}.")
    if reason in {"slots_taken", "files_alive"}:
        return refusal("no_seat_free")
    return refusal(reason, detail) if reason in REASONS else refusal("server_refused", detail)
