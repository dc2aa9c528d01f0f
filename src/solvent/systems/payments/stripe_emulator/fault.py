"""How does Stripe say that it will not do something?"""

from __future__ import annotations

from solvent.systems.payments.stripe_emulator.plain import Json

DOC_URL = "https://docs.stripe.com/error-codes"


class StripeFault(Exception):
    """An answer that is an error, in Stripe's shape."""

    def __init__(self, status: int, kind: str, message: str, **told: object) -> None:
        super().__init__(message)
        self.status = status
        self.error: Json = {"type": kind, "message": message}
        self.error.update({name: value for name, value in told.items() if value is not None})
        if "code" in self.error:
            self.error["doc_url"] = f"{DOC_URL}#{self.error['code'].replace('_', '-')}"

    @property
    def body(self) -> Json:
        """Return the whole answer."""
        return {"error": self.error}


class CardDeclined(StripeFault):
    """A charge was tried and failed: what the attempt left behind stays, unlike with a fault."""

    def __init__(self, message: str, **told: object) -> None:
        super().__init__(402, "card_error", message, **told)


def invalid(message: str, *, param: str | None = None, code: str | None = None) -> StripeFault:
    """Return a 400: the request asks for what cannot be."""
    return StripeFault(400, "invalid_request_error", message, param=param, code=code)


def missing(param: str) -> StripeFault:
    """Return a 400: a parameter is needed."""
    return invalid(f"Missing required param: {param}.", param=param, code="parameter_missing")


def unknown(param: str) -> StripeFault:
    """Return a 400: no such parameter is known."""
    return invalid(f"Received unknown parameter: {param}", param=param, code="parameter_unknown")


def no_such(kind: str, id: str, *, param: str | None = None) -> StripeFault:
    """Return a 404 for what the path names, a 400 for what a parameter names."""
    noun = kind.rpartition(".")[2]
    return StripeFault(
        400 if param else 404,
        "invalid_request_error",
        f"No such {noun}: '{id}'",
        code="resource_missing",
        param=param or "id",
    )
