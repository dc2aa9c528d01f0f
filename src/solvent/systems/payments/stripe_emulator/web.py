"""What does a customer see in a browser: the page to pay on, and the portal?"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from jinja2 import Environment, PackageLoader, select_autoescape

from solvent.kit.errors import SolventError
from solvent.kit.money import exponent
from solvent.systems.payments.loopback import Answer, Call
from solvent.systems.payments.stripe_emulator import checkout, invoices, portal
from solvent.systems.payments.stripe_emulator.cards import CARDS, DECLINES
from solvent.systems.payments.stripe_emulator.fault import StripeFault
from solvent.systems.payments.stripe_emulator.form import read_form
from solvent.systems.payments.stripe_emulator.plain import Json
from solvent.systems.payments.stripe_emulator.world import Handler, World

_PAY = re.compile(r"/c/pay/(cs_test_\w+)\Z")
_INVOICE = re.compile(r"/i/(in_\w+)\Z")
_PORTAL = re.compile(r"/p/session/(bps_\w+)\Z")
_VERBS = {"payment": "Pay", "subscription": "Subscribe", "setup": "Save the card"}
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "x-content-type-options": "nosniff",
}
EVENTS_SHOWN = 30

Doer = Callable[..., Json]


@dataclass(frozen=True, slots=True)
class Web:
    """The pages; `do` changes the account, as the emulator's own does."""

    world: World
    api_key: str
    do: Callable[..., Json]

    def answer(self, call: Call) -> Answer | None:
        """Return a page, or None where the address is none of a page."""
        if call.path == "/" and call.method == "GET":
            return self._start()
        for form, show, act in (
            (_PAY, self._show_checkout, self._act_on_checkout),
            (_INVOICE, self._show_invoice, self._act_on_invoice),
            (_PORTAL, self._show_portal, self._act_on_portal),
        ):
            found = form.match(call.path)
            if found:
                return self._page(call, found[1], show, act)
        return None

    def _page(
        self,
        call: Call,
        id: str,
        show: Callable[..., Answer],
        act: Callable[[str, Json], Answer],
    ) -> Answer:
        try:
            return act(id, read_form(call.text)) if call.method == "POST" else show(id)
        except StripeFault as fault:
            if fault.status == 404:  # noqa: PLR2004 - HTTP
                return _render("frame.html", status=404, title="There is no such page")
            return show(id, fault=str(fault))

    def _start(self) -> Answer:
        events = self.world.every("event")[:EVENTS_SHOWN]
        title = "Stripe, emulated"
        return _render("start.html", title=title, key=self.api_key, events=events)

    def _show_checkout(self, id: str, *, fault: str = "") -> Answer:
        found = self.world.get(checkout.KIND, id)
        lines = [one | {"amount": _amount(one)} for one in found["_lines"]]
        total = {"amount_total": found["amount_total"], "currency": found["currency"] or "usd"}
        return _render(
            "checkout.html",
            title=f"{_VERBS[found['mode']]}: checkout",
            session=found,
            lines=lines,
            total=_amount(total),
            email=found["customer_email"] or "",
            cards=_cards(),
            verb=_VERBS[found["mode"]],
            fault=fault,
        )

    def _act_on_checkout(self, id: str, form: Json) -> Answer:
        found = self.world.get(checkout.KIND, id)
        if form.get("action") == "cancel":
            return _go(found["cancel_url"] or "/")
        done = self.do(checkout.complete, form, id)
        return _go((done["success_url"] or "/").replace("{CHECKOUT_SESSION_ID}", id))

    def _show_invoice(self, id: str, *, fault: str = "") -> Answer:
        found = self.world.get(invoices.KIND, id)
        currency = {"currency": found["currency"]}
        lines = [
            {
                "description": one["description"] or "Line",
                "quantity": one["quantity"],
                "amount": _amount(currency | {"amount_total": one["amount"]}),
            }
            for one in found["lines"]["data"]
        ]
        return _render(
            "invoice.html",
            title=f"Invoice {found['number'] or ''}",
            invoice=found,
            lines=lines,
            total=_amount(currency | {"amount_total": found["amount_due"]}),
            cards=_cards(),
            fault=fault,
        )

    def _act_on_invoice(self, id: str, form: Json) -> Answer:
        self.do(invoices.pay, form, id)
        return _go(f"/i/{id}")

    def _show_portal(self, id: str, *, fault: str = "") -> Answer:
        found = self.world.get(portal.KIND, id)
        bought = self.world.every("subscription", customer=found["customer"])
        return _render(
            "portal.html",
            title="Your subscriptions",
            email=self.world.get("customer", found["customer"])["email"] or "",
            subscriptions=[self._bought(one) for one in bought],
            cards=_cards(),
            return_url=found["return_url"],
            fault=fault,
        )

    def _bought(self, one: Json) -> Json:
        names = [item["price"]["product"] for item in one["items"]["data"]]
        products = [self.world.get("product", name)["name"] for name in names]
        ends = one["cancel_at_period_end"]
        action = ("renew", "Do not cancel") if ends else ("cancel", "Cancel at the period's end")
        told = one["status"] + (", ends with its period" if ends else "")
        over = one["status"] == "canceled"
        acts = (
            {"action": "", "verb": ""}
            if over
            else dict(zip(("action", "verb"), action, strict=True))
        )
        return {"id": one["id"], "name": ", ".join(products), "told": told} | acts

    def _act_on_portal(self, id: str, form: Json) -> Answer:
        actions: dict[str, Handler] = {
            "cancel": portal.cancel,
            "renew": portal.renew,
            "replace_card": portal.replace_card,
        }
        act = actions.get(str(form.get("action")))
        if act:
            self.do(act, form, id)
        return _go(f"/p/session/{id}")


def _cards() -> list[tuple[str, str]]:
    def text(name: str) -> str:
        card = CARDS[name]
        end = f"…{card.number[-4:]}"
        if card.decline:
            return f"{end} declined: {DECLINES[card.decline].decline_code or card.decline}"
        disputed = ", disputed" if card.disputed else ""
        return f"{end} {card.brand}{', asks the customer' if card.asks else disputed}"

    return [(name, text(name)) for name in CARDS]


def _amount(line: Json) -> str:
    """Return an amount as a reader says it: `29.00 USD`."""
    currency = line["currency"].upper()
    try:
        digits = exponent(currency)
    except SolventError:
        digits = 2
    return f"{Decimal(line['amount_total'] or 0).scaleb(-digits)} {currency}"


def _go(url: str) -> Answer:
    return Answer(303, "", {"location": url, "cache-control": "no-store"})


def _render(name: str, *, status: int = 200, **values: object) -> Answer:
    return Answer(status, _templates().get_template(name).render(values), _HEADERS)


@cache
def _templates() -> Environment:
    place = "solvent.systems.payments.stripe_emulator"
    return Environment(loader=PackageLoader(place, "pages"), autoescape=select_autoescape())
