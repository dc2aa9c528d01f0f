"""In which seven ways can a request fail, and how is each told to the caller?

SolventError
 +- Invalid           400  the input is malformed or breaks a rule that input alone decides
 +- Unauthenticated   401  nobody is known to be asking
 +- Denied            403  somebody known is asking and may not
 +- NotFound          404  there is no such thing, or it is another tenant's
 +- Conflict          409  the state forbids it now
 +- LimitReached      429  a quota or rate is used up
 +- Unavailable       503  a dependency is away; the same request may succeed later

A domain error subclasses one of the seven, sets `code`, and its docstring is the message.
"""

from __future__ import annotations

import inspect
from typing import ClassVar

REASON_CHARS_MAX = 1_000

Detail = str | int | bool | list[str] | None


class SolventError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "solvent.error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Error"

    def __init__(
        self, message: str | None = None, *, field: str | None = None, **detail: Detail
    ) -> None:
        """Tell what happened; `field` names the offending input, `detail` carries plain facts."""
        self.message = message or first_sentence(type(self))
        self.field = field
        self.detail = detail
        super().__init__(self.message)

    def __str__(self) -> str:
        """Return the message led by the field it is about."""
        return f"{self.field}: {self.message}" if self.field else self.message

    @classmethod
    def retryable(cls) -> bool:
        """Return whether the same request may succeed later without a change."""
        return cls.status == Unavailable.status


class Invalid(SolventError):
    """The request is not valid."""

    code = "solvent.invalid"
    status = 400
    title = "Invalid request"


class Unauthenticated(SolventError):
    """A valid API key, token or session is needed."""

    code = "solvent.unauthenticated"
    status = 401
    title = "Not authenticated"


class Denied(SolventError):
    """This key or member may not do that."""

    code = "solvent.denied"
    status = 403
    title = "Not allowed"


class NotFound(SolventError):
    """There is no such thing."""

    code = "solvent.not_found"
    status = 404
    title = "Not found"


class Conflict(SolventError):
    """The present state forbids that."""

    code = "solvent.conflict"
    status = 409
    title = "Conflict"


class LimitReached(SolventError):
    """A limit is reached."""

    code = "solvent.limit_reached"
    status = 429
    title = "Limit reached"


class Unavailable(SolventError):
    """Something that this needs is away for the moment; try again."""

    code = "solvent.unavailable"
    status = 503
    title = "Unavailable"


KINDS: tuple[type[SolventError], ...] = (
    Invalid,
    Unauthenticated,
    Denied,
    NotFound,
    Conflict,
    LimitReached,
    Unavailable,
)


def first_sentence(error: type[SolventError]) -> str:
    """Return the first paragraph of an error's docstring, as its default message."""
    text = inspect.cleandoc(error.__doc__ or error.__name__)
    return " ".join(text.split("\n\n", maxsplit=1)[0].split())


def reason_of(fault: Exception) -> str:
    """Return kind and message of any exception, bounded and fit for a database's text."""
    told = f"{type(fault).__name__}: {fault}"[:REASON_CHARS_MAX]
    return told.encode(errors="backslashreplace").decode().replace("\0", "\\x00")


def problem(error: SolventError, *, instance: str | None = None) -> dict[str, Detail]:
    """Return the RFC 9457 problem document of an error; `detail` is for people."""
    body: dict[str, Detail] = {
        "type": f"/problems/{error.code}",
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "detail": error.message,
    }
    if error.field:
        body["field"] = error.field
    if instance:
        body["instance"] = instance
    return body | {key: value for key, value in error.detail.items() if key not in body}
