"""Which requests about tenants, people, keys and customers are refused?"""

from __future__ import annotations

from solvent.kit.ctx import Principal
from solvent.kit.errors import Conflict, Denied, Invalid, NotFound, Unauthenticated


class TenantUnknown(NotFound):
    """There is no tenant of this name here."""

    code = "tenants.tenant_unknown"


class TenantNotNamed(Invalid):
    """There are several businesses here: name the one you mean."""

    code = "tenants.tenant_not_named"


class SlugInvalid(Invalid):
    """A slug is 3 to 58 lower-case letters and digits, with single hyphens between them."""

    code = "tenants.slug_invalid"


class SlugReserved(Invalid):
    """This slug is reserved for the platform; choose another."""

    code = "tenants.slug_reserved"


class SlugTaken(Conflict):
    """Another business has this slug."""

    code = "tenants.slug_taken"


class NameInvalid(Invalid):
    """A name is 1 to 200 printable characters."""

    code = "tenants.name_invalid"


class EmailInvalid(Invalid):
    """This is not an e-mail address that mail can be sent to."""

    code = "tenants.email_invalid"


class ScopeInvalid(Invalid):
    """A scope reads noun:verb, for example metering:write."""

    code = "tenants.scope_invalid"


class ScopeBeyondOwn(Denied):
    """Nobody can hand out a scope that they do not hold themselves."""

    code = "tenants.scope_beyond_own"


class ScopeNotPublishable(Invalid):
    """A publishable key is readable by everybody, so it cannot carry this scope."""

    code = "tenants.scope_not_publishable"


class KeyInvalid(Unauthenticated):
    """This API key is not valid."""

    code = "tenants.key_invalid"


class KeyRefused(Unauthenticated):
    """This API key opens nothing any more."""

    code = "tenants.key_refused"

    def __init__(self, whose: Principal) -> None:
        """Remember whose key it was, for the audit log; the caller is not told."""
        super().__init__()
        self.whose = whose


class KeyRevoked(KeyRefused):
    """This API key has been revoked."""

    code = "tenants.key_revoked"


class KeyExpired(KeyRefused):
    """This API key has expired."""

    code = "tenants.key_expired"


class ApiKeyUnknown(NotFound):
    """There is no such API key."""

    code = "tenants.api_key_unknown"


class ApiKeyAlreadyRevoked(Conflict):
    """This API key is revoked already."""

    code = "tenants.api_key_already_revoked"


class ExpiryPast(Invalid):
    """An expiry lies in the future."""

    code = "tenants.expiry_past"


class TokenInvalid(Unauthenticated):
    """This token is not valid here and now."""

    code = "tenants.token_invalid"


class TokenClaimsInvalid(Invalid):
    """A token needs a subject of 1 to 200 printable characters and a life of 1 to 3,600 seconds."""

    code = "tenants.token_claims_invalid"


class SignInLinkInvalid(Unauthenticated):
    """This sign-in link has been used, has expired, or was never made."""

    code = "tenants.sign_in_link_invalid"


class SessionInvalid(Unauthenticated):
    """This session has ended; sign in again."""

    code = "tenants.session_invalid"


class SessionUnknown(NotFound):
    """No such session is open."""

    code = "tenants.session_unknown"


class MemberUnknown(NotFound):
    """There is no such member."""

    code = "tenants.member_unknown"


class MemberExists(Conflict):
    """A member with this e-mail address exists already."""

    code = "tenants.member_exists"


class LastOwner(Conflict):
    """A business keeps at least one owner."""

    code = "tenants.last_owner"


class OwnerNeeded(Denied):
    """Only an owner makes owners, changes them or removes them."""

    code = "tenants.owner_needed"


class NotInLiveMode(Conflict):
    """Members belong to the business and are managed with a live key or in live mode."""

    code = "tenants.not_in_live_mode"


class NotInTestMode(Conflict):
    """Only a tenant in test mode has a clock that can be moved."""

    code = "tenants.not_in_test_mode"


class ClockGoesBack(Conflict):
    """A test clock moves forward only, and is released only where that is not back in time."""

    code = "tenants.clock_goes_back"


class ClockTooFar(Invalid):
    """A test clock moves at most ten years at a time."""

    code = "tenants.clock_too_far"


class CustomerUnknown(NotFound):
    """There is no such customer."""

    code = "tenants.customer_unknown"


class CustomerExists(Conflict):
    """A customer with this external_ref exists already."""

    code = "tenants.customer_exists"


class CustomerInUse(Conflict):
    """This customer has a history that must be kept, so it cannot be deleted."""

    code = "tenants.customer_in_use"


class ExternalRefInvalid(Invalid):
    """An external_ref is 1 to 200 printable characters, not all space, and no id of ours."""

    code = "tenants.external_ref_invalid"


class CountryInvalid(Invalid):
    """A country is a two-letter ISO 3166-1 code in capitals, for example DE."""

    code = "tenants.country_invalid"


class TimeZoneInvalid(Invalid):
    """A time zone is an IANA name, for example Europe/Paris."""

    code = "tenants.time_zone_invalid"
