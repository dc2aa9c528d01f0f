"""Which requests does the payments system refuse, and with which codes?"""

from __future__ import annotations

from solvent.kit.errors import Conflict, Invalid, NotFound, Unavailable
from solvent.systems.payments.model import Refusal


class WebhookRefused(Invalid):
    """The webhook was refused."""

    code = "payments.webhook_refused"

    def __init__(
        self, refusal: Refusal, message: str | None = None, *, field: str | None = None
    ) -> None:
        """Tell which check it failed; nothing of the secret or the expected signature."""
        super().__init__(message or REASONS[refusal], field=field, reason=refusal.value)
        self.refusal = refusal


class EventMalformed(WebhookRefused):
    """The event's JSON is not what the provider documents."""

    code = "payments.event_malformed"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        """Name the field by its path inside the event."""
        super().__init__(Refusal.BODY_MALFORMED, message, field=field)


class EventChanged(Conflict):
    """An event with this id was accepted before and said something else."""

    code = "payments.event_changed"


class EndpointNotFound(NotFound):
    """No webhooks are received here."""

    code = "payments.endpoint_not_found"


class AccountNotFound(NotFound):
    """No account of this provider is connected."""

    code = "payments.account_not_found"


class EventNotFound(NotFound):
    """There is no such provider event."""

    code = "payments.event_not_found"


class SecretMalformed(Invalid):
    """A signing secret looks like whsec_… at Stripe and like pdl_ntfset_… at Paddle."""

    code = "payments.secret_malformed"


class ApiKeyMalformed(Invalid):
    """An API key looks like sk_live_… or rk_live_… at Stripe and like pdl_… at Paddle."""

    code = "payments.api_key_malformed"


class SecretsTooMany(Conflict):
    """As many signing secrets as may be valid at once are valid; retire one first."""

    code = "payments.secrets_too_many"


class WindowOutOfRange(Invalid):
    """Only Paddle's time window can be set, to 5 to 300 seconds; Stripe's is 300."""

    code = "payments.window_out_of_range"


class PlanUnknown(Invalid):
    """No plan of the catalogue names this price of the provider."""

    code = "payments.plan_unknown"


class InboxFull(Unavailable):
    """More webhooks wait for their commit than may; send it again later."""

    code = "payments.inbox_full"


class GatewayRefused(Invalid):
    """The payment provider refused the request."""

    code = "payments.gateway_refused"


class GatewayUnavailable(Unavailable):
    """The payment provider cannot be reached, or answered with an error of its own."""

    code = "payments.gateway_unavailable"


class GatewayFailed(GatewayUnavailable):
    """The payment provider failed and keeps answering so to this request; a new one may succeed."""

    code = "payments.gateway_failed"


class GatewayKeyMissing(Conflict):
    """The provider's account is connected without an API key."""

    code = "payments.gateway_key_missing"


class GatewayBusy(Unavailable):
    """Too many requests to payment providers are under way; try again."""

    code = "payments.gateway_busy"


class PortalCustomerUnknown(NotFound):
    """The customer has not bought anything through this provider yet."""

    code = "payments.portal_customer_unknown"


class PlanNotForSale(Invalid):
    """The plan names no price of a connected provider, so it cannot be checked out."""

    code = "payments.plan_not_for_sale"


class AddressInvalid(Invalid):
    """An address to return to is an https URL; http only for this machine."""

    code = "payments.address_invalid"


class Unforeseen(Conflict):
    """Something unforeseen went wrong; the log of the worker has its trace."""

    code = "payments.unforeseen"


class EventSettled(Conflict):
    """This event is done with; there is nothing to try again."""

    code = "payments.event_settled"


REASONS: dict[Refusal, str] = {
    Refusal.SIGNATURE_MISSING: "the signature header is missing or sent more than once",
    Refusal.HEADER_MALFORMED: "the signature header is not in the provider's form",
    Refusal.SCHEME_UNSUPPORTED: "the signature header has no signature of a scheme that counts",
    Refusal.SIGNATURE_MISMATCH: "no signature matches the body under a valid secret",
    Refusal.TIMESTAMP_STALE: "the webhook was signed too long ago",
    Refusal.TIMESTAMP_FUTURE: "the webhook was signed too far in the future",
    Refusal.BODY_MALFORMED: "the body is not an event of the provider",
    Refusal.BODY_TOO_LARGE: "the body is larger than any event of a provider",
    Refusal.EVENT_CHANGED: "an event with this id was accepted before and said something else",
}
