"""What does the publisher's license server answer?"""

import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Final, cast
from urllib.parse import urlsplit

from solvent_client.licensing.envelope import MAX_BYTES, parse_json
from solvent_client.licensing.refusal import REASONS, LicenseRefused, Refusal, refusal

TIMEOUT_S: Final = 10.0

_TOO_MANY: Final = 429
_BAD: Final = 400
_BROKEN: Final = 500


class LicenseServer:
    """A publisher's license server.

    Args:
        url: its address.
        tenant: the publisher's name there.
        timeout_s: how long one call may take.

    Raises:
        ValueError: the address cannot be one.
    """

    def __init__(self, url: str, tenant: str, *, timeout_s: float = TIMEOUT_S) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("url: expected https://host")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._path = f"{parts.path.rstrip('/')}/v1/t/{tenant}/licensing"
        self._timeout_s = timeout_s

    def post(self, path: str, body: Mapping[str, object]) -> str:
        """Return the file, or the other text, that is answered.

        Raises:
            LicenseRefused: it cannot be reached, or says no.
        """
        told = parse_json(self._called("POST", path, json.dumps(body)))
        text = cast("Mapping[str, object]", told).get("text") if isinstance(told, dict) else None
        return text if isinstance(text, str) else ""

    def get(self, path: str) -> bytes:
        """Return the file that stands there.

        Raises:
            LicenseRefused: it cannot be reached, or says no.
        """
        return self._called("GET", path, None)

    def _called(self, method: str, path: str, body: str | None) -> bytes:
        connection = self._connection()
        try:
            headers = {"Content-Type": "application/json"}
            connection.request(method, self._path + path, body, headers)
            answer = connection.getresponse()
            status, content = answer.status, answer.read(2 * MAX_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise LicenseRefused(refusal("server_unreachable", f"{error}.")) from error
        finally:
            connection.close()
        if status >= _BAD:
            raise LicenseRefused(_refused(status, parse_json(content)))
        return content

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
