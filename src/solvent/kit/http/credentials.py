"""What does a request say of who sends it?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from solvent.kit.errors import Unauthenticated

if TYPE_CHECKING:
    from starlette.requests import Request

    from solvent.kit.ctx import Principal
    from solvent.kit.db import Tx

TOKEN_LENGTH_MAX = 4096
SESSION_COOKIE = "solvent_session"


class CredentialsMalformed(Unauthenticated):
    """Send `Authorization: Bearer KEY` with one API key or token."""

    code = "kit.credentials_malformed"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The bearer token or session cookie of a request, and the host it was sent to."""

    bearer: str | None
    session: str | None
    host: str

    @classmethod
    def of(cls, request: Request) -> Credentials:
        """Read them from the headers.

        Raises:
            CredentialsMalformed: several Authorization headers, another scheme, or too long.
        """
        return cls(_bearer(request), request.cookies.get(SESSION_COOKIE), _host(request))


class Authenticator(Protocol):
    """Finds who asks and sets the transaction's tenant to theirs."""

    async def __call__(self, tx: Tx, credentials: Credentials) -> Principal:
        """Return who asks.

        Raises:
            Unauthenticated: nobody that is known; the message never tells why.
        """
        ...


def _bearer(request: Request) -> str | None:
    values = request.headers.getlist("authorization")
    if not values:
        return None
    scheme, _, token = values[0].partition(" ")
    token = token.strip()
    odd = len(values) > 1 or scheme.lower() != "bearer" or not token
    if odd or len(token) > TOKEN_LENGTH_MAX or not token.isascii():
        raise CredentialsMalformed(field="Authorization")
    return token


def _host(request: Request) -> str:
    values = request.headers.getlist("host")
    return values[0] if len(values) == 1 else ""
