"""How does a request become a use case in one transaction, and its outcome an answer?

Each name is imported when it is first used: who only needs a port of it does not load the web
framework, and the terminal's commands start in half the time.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from solvent.kit.http.credentials import Authenticator, Credentials
    from solvent.kit.http.errand import Errand
    from solvent.kit.http.page import CursorMalformed, Page, PageQuery, page_of
    from solvent.kit.http.refusals import RefusalLog
    from solvent.kit.http.route import PublicRouter, RequestCtx, Router, current_ctx

__all__ = [
    "Authenticator",
    "Credentials",
    "CursorMalformed",
    "Errand",
    "Page",
    "PageQuery",
    "PublicRouter",
    "RefusalLog",
    "RequestCtx",
    "Router",
    "current_ctx",
    "page_of",
]

_HOME = {
    "Authenticator": "credentials",
    "Credentials": "credentials",
    "Errand": "errand",
    "CursorMalformed": "page",
    "Page": "page",
    "PageQuery": "page",
    "page_of": "page",
    "RefusalLog": "refusals",
}
"""Where each name stands; those not named stand in `route`."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_HOME.get(name, 'route')}"), name)
