"""Who gets in when: nobody before paying, the payer at once, nobody after canceling?"""

from __future__ import annotations

from datetime import timedelta

import httpx

from solvent.app.demo.cast import Founder, paddle_purchase, soon, stripe_purchase
from solvent.app.demo.stage import Stage
from solvent.app.demo.told import Teller, check
from solvent.systems.payments.model import Provider

CUSTOMER = "ada"
BOUND_MS = 1000
"""The staleness that the paywall promises never to exceed."""

PAID, REFUSED = 200, 402


def ask(app: str, customer: str = CUSTOMER) -> httpx.Response:
    """Ask the example application for what only customers get."""
    return httpx.get(f"{app}/export", headers={"x-customer": customer}, timeout=10)


def nobody_yet(teller: Teller, app: str) -> None:
    """See that a request without a subscription is answered 402."""
    with teller.step("GET /export as ada: 402 Payment Required") as notes:
        answer = ask(app)
        check(answer.status_code == REFUSED, f"{answer.status_code} {answer.text[:200]}")
        kind = answer.headers["content-type"]
        check(kind == "application/problem+json", f"content-type is {kind}")
        notes.append(answer.json()["detail"])


def pay_with_stripe(teller: Teller, stage: Stage, founder: Founder, app: str) -> None:
    """Deliver checkout, subscription and invoice out of order, one twice; see ada let in."""
    buy = stripe_purchase(founder, CUSTOMER)
    bodies = [buy.paid(), buy.updated(), buy.created(), buy.checkout(), buy.updated()]
    with teller.step("Stripe delivers five webhooks, out of order, one of them twice"):
        for body in bodies:
            status = founder.deliver(stage, body)
            check(status == PAID, f"a webhook was answered {status}")
    _see_in(teller, app)


def pay_with_paddle(teller: Teller, stage: Stage, founder: Founder, app: str) -> None:
    """Deliver Paddle's events in reverse; see ada let in."""
    buy = paddle_purchase(founder, CUSTOMER)
    bodies = [buy.completed(), buy.activated(), buy.created(), buy.completed()]
    with teller.step("Paddle delivers four, the last first, one of them twice"):
        for body in bodies:
            status = founder.deliver(stage, body)
            check(status == PAID, f"a webhook was answered {status}")
    _see_in(teller, app)


def _see_in(teller: Teller, app: str) -> None:
    with teller.step("GET /export as ada: 200, as bob: 402") as notes:
        took_ms = soon(lambda: ask(app).status_code == PAID, "ada is still refused")
        check(ask(app, "bob").status_code == REFUSED, "bob, who has not paid, got in")
        notes.append(f"let in {took_ms:.0f} ms after the last webhook was acknowledged")


def cancel(teller: Teller, stage: Stage, founder: Founder, app: str) -> None:
    """Deliver the end of the subscription; see 402 again within the bound."""
    now = founder.began_at + timedelta(days=40)
    if founder.provider is Provider.STRIPE:
        body = stripe_purchase(founder, CUSTOMER).deleted(at=now, period=1)
    else:
        body = paddle_purchase(founder, CUSTOMER).canceled(at=now)
    name = founder.provider.capitalize()
    with teller.step(f"{name} says canceled: GET /export as ada is 402 again") as notes:
        check(ask(app).status_code == PAID, "ada was out before she canceled")
        status = founder.deliver(stage, body)
        check(status == PAID, f"the webhook was answered {status}")
        took_ms = soon(lambda: ask(app).status_code == REFUSED, "ada still gets in")
        check(took_ms <= BOUND_MS, f"only after {took_ms:.0f} ms, the bound is {BOUND_MS}")
        notes.append(f"refused {took_ms:.0f} ms after the webhook was acknowledged")
