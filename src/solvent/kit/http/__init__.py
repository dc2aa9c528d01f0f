"""How does a request become a use case in one transaction, and its outcome an answer?"""

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
