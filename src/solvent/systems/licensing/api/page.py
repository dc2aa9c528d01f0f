"""What does a customer see who has a license key and a browser?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import segno
from fastapi import Request
from jinja2 import Environment, PackageLoader, Template, select_autoescape
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from solvent.kernel.tenants import service as tenants
from solvent.kit.errors import SolventError
from solvent.kit.http import PublicRouter
from solvent.systems.licensing import service
from solvent.systems.licensing.api.customer import FILE_TYPE, holder
from solvent.systems.licensing.errors import LicenseNotFound
from solvent.systems.licensing.shapes import show_activation, show_license

if TYPE_CHECKING:
    from solvent.kit.ctx import Ctx

router = PublicRouter(tags=["licensing"])

QR_BYTES_MAX = 1_200
"""What one QR code of a file holds: a cheap scanner, or a telephone, still reads it."""

FIELDS_MAX = 10
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


@dataclass(frozen=True, slots=True)
class Done:
    """What came of an action: a sentence, and what is to be carried or typed."""

    message: str = ""
    answer: str = ""
    typed: bool = False
    refused: bool = False
    status: int = 200


@router.get("/t/{slug}/license", response_class=HTMLResponse)
async def license_page(request: Request, slug: str) -> HTMLResponse:
    """Show the page on which customers look after their machines."""
    return _render({}, Done(), await _look(request, slug, {}))


@router.post("/t/{slug}/license", response_class=HTMLResponse)
async def act_on_license_page(request: Request, slug: str) -> Response:
    """Do what a form of that page asks for, and show the page again."""
    form = read_form(request.headers.get("content-type", ""), await request.body())
    try:
        async with holder(request, slug) as ctx:
            done = await _act(ctx, form)
    except SolventError as refused:
        done = Done(str(refused), refused=True, status=refused.status)
    if form.get("action") == "download" and done.answer:
        headers = HEADERS | {"content-disposition": 'attachment; filename="license.lic"'}
        return Response(done.answer, headers=headers, media_type=FILE_TYPE)
    return _render(form, done, await _look(request, slug, form))


def read_form(content_type: str, body: bytes) -> dict[str, str]:
    """Return a form's fields; a file that was chosen goes before the text beside it."""
    if not content_type.startswith("multipart/form-data"):
        return dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=FIELDS_MAX))
    head = f"content-type: {content_type}\r\n\r\n".encode("ascii", "replace")
    whole = message_from_bytes(head + body, policy=policy.HTTP)
    fields: dict[str, str] = {}
    for part in list(whole.iter_parts())[:FIELDS_MAX]:
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            fields[name] = content.decode("utf-8", "replace")
    chosen = fields.pop("file", "")
    return fields | ({"request": chosen} if chosen.strip() else {})


async def _act(ctx: Ctx, form: dict[str, str]) -> Done:
    key, text = form.get("license_key", ""), form.get("request", "").encode()
    match form.get("action", "show"):
        case "activate" | "download":
            answer = await service.activate(ctx, text, license_key=key or None)
            return Done("The machine is activated.", answer.text)
        case "deactivate":
            await service.deactivate(ctx, key, form.get("activation", ""))
            return Done("The machine is deactivated.")
        case "prove":
            await service.prove_deactivation(ctx, text)
            return Done("The machine is deactivated, its place is free.")
        case "type":
            answer = await service.answer_code(ctx, key, form.get("code", ""))
            return Done("The machine is activated.", answer.text, typed=True)
        case "type-off":
            await service.deactivate_by_code(ctx, key, form.get("code", ""))
            return Done("The machine is deactivated, its place is free.")
        case _:
            await service.by_key(ctx, key)
            return Done()


async def _look(request: Request, slug: str, form: dict[str, str]) -> dict[str, object]:
    """Return what the page shows of the license, where the key opens one."""
    seen: dict[str, object] = {}
    try:
        async with holder(request, slug) as ctx:
            seen["seller"] = (await tenants.current(ctx)).name
            held = await service.by_key(ctx, form.get("license_key"))
            found = await service.activations_of(ctx, held)
            shown = [show_activation(one, ctx.now()) for one in found]
            return seen | {
                "held": show_license(held, ctx.now()),
                "activations": shown,
                "taken": sum(one.takes_slot for one in shown),
            }
    except LicenseNotFound:
        return seen


def _render(form: dict[str, str], done: Done, seen: dict[str, object]) -> HTMLResponse:
    page = _template().render(
        license_key=form.get("license_key", "") if "held" in seen else "",
        request_text=form.get("request", ""),
        message=done.message,
        refused=done.refused,
        answer=done.answer,
        typed=done.typed,
        pictures=_pictures(done.answer),
        **seen,
    )
    return HTMLResponse(page, done.status, HEADERS)


def _pictures(text: str) -> list[Markup]:
    """Return a text as QR codes to scan one after the other: a scanner types what it reads."""
    parts = [text[start : start + QR_BYTES_MAX] for start in range(0, len(text), QR_BYTES_MAX)]
    codes = [segno.make(part, error="l", micro=False, boost_error=False) for part in parts]
    return [Markup(code.svg_inline(omitsize=True)) for code in codes]  # noqa: S704 - squares only


@cache
def _template() -> Template:
    loader = PackageLoader("solvent.systems.licensing", "pages")
    environment = Environment(loader=loader, autoescape=select_autoescape())
    environment.filters["moment"] = _moment
    return environment.get_template("license.html")


def _moment(moment: datetime | None) -> str:
    """Return a moment for people, or nothing where there is none."""
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else ""
