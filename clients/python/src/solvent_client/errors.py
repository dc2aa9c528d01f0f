"""What can go wrong between an application and Solvent?

```
SolventError
├── Unreachable         no answer: refused, timed out, broken off, 5xx, 429 (worth a retry)
├── Refused             an answer that says no: 4xx with a stable `code`
│   └── BadKey          401, 403: the key is wrong, revoked or lacks a scope
├── ProtocolError       bytes that Solvent does not send: something else answers at that URL
└── PaymentRequired     raised by `@paywall.required`: the customer may not pass
```
"""

from solvent_client.decision import Decision


class SolventError(Exception):
    """Something between this application and Solvent went wrong."""


class Unreachable(SolventError):
    """Solvent could not be asked, or could not answer now. The same call may work in a moment."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ProtocolError(SolventError):
    """What came back is not what Solvent sends."""


class Refused(SolventError):
    """Solvent answered no, and says why.

    Args:
        message: the sentence for people.
        status: the HTTP status.
        code: the stable code, say `tenants.customer_not_found`.
        field: the field at fault, if it is one.
    """

    def __init__(self, message: str, *, status: int, code: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.field = field

    def __str__(self) -> str:
        where = f" (field {self.field})" if self.field else ""
        return f"{super().__str__()}{where} [{self.status} {self.code}]"


class BadKey(Refused):
    """The API key is unknown, revoked, or may not do this."""


class PaymentRequired(SolventError):
    """The customer may not pass: answer 402 with `solvent_client.problem.of(decision)`."""

    def __init__(self, decision: Decision, *, upgrade_url: str | None = None) -> None:
        super().__init__(decision.reason)
        self.decision = decision
        self.upgrade_url = upgrade_url
