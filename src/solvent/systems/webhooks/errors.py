"""In which ways can the webhooks system refuse?"""

from __future__ import annotations

from solvent.kit.errors import Conflict, Invalid, LimitReached, NotFound


class EndpointNotFound(NotFound):
    """There is no such webhook endpoint."""

    code = "webhooks.endpoint_not_found"


class MessageNotFound(NotFound):
    """There is no such message, or it is older than messages are kept."""

    code = "webhooks.message_not_found"


class UrlInvalid(Invalid):
    """A webhook goes to an https URL with a public host, without a user, a password or a #."""

    code = "webhooks.url_invalid"


class AddressBlocked(Invalid):
    """Webhooks go to public addresses only."""

    code = "webhooks.address_blocked"


class PatternInvalid(Invalid):
    """An event type is a name, billing.period_closed.v1, the begin of one, billing.*, or *."""

    code = "webhooks.pattern_invalid"


class SecretMalformed(Invalid):
    """A secret is whsec_ and the base64 of 24 to 64 bytes."""

    code = "webhooks.secret_malformed"


class SchemeMissing(Invalid):
    """An endpoint has at least one of the signature schemes v1 and v1a."""

    code = "webhooks.scheme_missing"


class OutOfRange(Invalid):
    """A number lies outside of what is possible."""

    code = "webhooks.out_of_range"


class EndpointsTooMany(LimitReached):
    """There are as many webhook endpoints as one business may have."""

    code = "webhooks.endpoints_too_many"


class SecretsTooMany(Conflict):
    """As many secrets as may sign beside each other do; wait until one has ended."""

    code = "webhooks.secrets_too_many"


class EndpointDisabled(Conflict):
    """The endpoint is disabled; enable it first."""

    code = "webhooks.endpoint_disabled"


class NotSubscribed(Conflict):
    """The endpoint does not ask for events of this type."""

    code = "webhooks.not_subscribed"


class ReplayTooLarge(Invalid):
    """That are more messages than one replay sends; narrow the time."""

    code = "webhooks.replay_too_large"


class SettingInvalid(Invalid):
    """An allowed network is written as in 127.0.0.0/8."""

    code = "webhooks.setting_invalid"
