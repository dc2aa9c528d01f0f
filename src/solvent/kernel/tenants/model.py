"""What are a tenant, a member, an API key, a session and a customer?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from solvent.kit.ids import TenantId

TENANT_PREFIX = "ten"
BUSINESS_PREFIX = "biz"
MEMBER_PREFIX = "mem"
KEY_PREFIX = "key"
SESSION_PREFIX = "ses"
CUSTOMER_PREFIX = "cus"


class Mode(StrEnum):
    """Whether a tenant's money is real."""

    LIVE = "live"
    TEST = "test"


class Role(StrEnum):
    """What a member is to the business; what each may do stands in `rules.SCOPES_OF_ROLE`."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    VIEWER = "viewer"


class KeyKind(StrEnum):
    """Whether a key is kept on a server or shipped in a page or an app."""

    SECRET = "secret"  # noqa: S105 - a kind of key, not one
    PUBLISHABLE = "publishable"


@dataclass(frozen=True, slots=True)
class Tenant:
    """One of the two halves of a business: its live data, or its test twin's."""

    id: TenantId
    business_id: str
    slug: str
    name: str
    mode: Mode
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Member:
    """A person who works for the business; kept with its live tenant and good for both."""

    tenant_id: TenantId
    id: str
    email: str
    name: str
    role: Role
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it may be shown: never the key itself, of which only a hash is kept."""

    tenant_id: TenantId
    id: str
    kind: KeyKind
    name: str
    prefix: str
    last4: str
    scopes: frozenset[str]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A fresh key with its text, which is shown this once and can never be read again."""

    key: ApiKey
    text: str


@dataclass(frozen=True, slots=True)
class NewBusiness:
    """A business just created: both tenants and one secret and one publishable key for each."""

    live: Tenant
    test: Tenant
    keys: tuple[IssuedKey, ...]
    owner: Member | None


@dataclass(frozen=True, slots=True)
class SignInLink:
    """A link's token, good once and for a short time; only its hash is kept."""

    token: str
    member_id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """A member's signed-in console; `mode` says which half of the business it looks at."""

    tenant_id: TenantId
    id: str
    member_id: str
    mode: Mode
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A fresh session with the token for its cookie, which only the browser keeps."""

    session: Session
    token: str


@dataclass(frozen=True, slots=True)
class Customer:
    """Who buys from the tenant; `external_ref` is the tenant's own name for them."""

    tenant_id: TenantId
    id: str
    external_ref: str
    email: str | None
    name: str | None
    country: str | None
    time_zone: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class CustomerDetails:
    """What a tenant tells about a customer; None leaves a field as it is."""

    email: str | None = None
    name: str | None = None
    country: str | None = None
    time_zone: str | None = None
