"""How does a template become a page that loads and runs nothing?"""

from __future__ import annotations

import re
from functools import cache

from jinja2 import Environment, PackageLoader, Template, select_autoescape
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


def page(name: str, *, status: int = 200, **values: object) -> HTMLResponse:
    """Return a page of `solvent/app/pages`."""
    return HTMLResponse(_template(name).render(values), status, headers=HEADERS)


def wants_page(request: Request) -> bool:
    """Return whether a browser asks: it names HTML before anything else that we could answer."""
    return request.headers.get("accept", "").lower().lstrip().startswith("text/html")


@cache
def _template(name: str) -> Template:
    loader = PackageLoader("solvent.app", "pages")
    environment = Environment(loader=loader, autoescape=select_autoescape())
    environment.filters["code"] = _code
    return environment.get_template(name)


def _code(text: str) -> Markup:
    """Return a text as HTML, what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped
