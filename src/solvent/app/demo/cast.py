"""Who plays: two founders, one selling through Stripe and one through Paddle, and buyers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx

from solvent.app.demo.stage import Stage
from solvent.app.demo.told import NotTrue
from solvent.kit.clock import SystemClock, format_time, monotonic_ms
from solvent.systems.payments.model import Provider
from solvent.systems.payments.testing import PaddlePurchase, StripePurchase, deliver

HAPPENS_WITHIN_S = 30
POLL_S = 0.01
"""To look without a pause would keep busy those who are waited for."""


@dataclass(frozen=True, slots=True)
class Founder:
    """A tenant in test mode: its slug, its key, its provider and the provider's signing secret."""

    slug: str
    key: str
    provider: Provider
    secret: str
    began_at: datetime

    def deliver(self, stage: Stage, body: bytes, *, signed_at: datetime | None = None) -> int:
        """Send a webhook as the provider would; return the answer's status."""
        return self.send(stage, body, secret=self.secret, signed_at=signed_at).status_code

    def send(
        self, stage: Stage, body: bytes, *, secret: str, signed_at: datetime | None = None
    ) -> httpx.Response:
        """Send a webhook signed with a secret and return the answer."""
        sent = deliver(self.provider, body, secret=secret, at=signed_at or SystemClock().now())
        url = f"{stage.url}/v1/t/{self.slug}/webhooks/{self.provider}"
        return httpx.post(url, content=sent.body, headers=sent.headers, timeout=30)


def found(stage: Stage, name: str, provider: Provider, secret: str) -> Founder:
    """Make a business whose test twin's clock stands at the present second."""
    began_at = SystemClock().now().astimezone(UTC).replace(microsecond=0)
    made = stage.solvent_json("tenant", "create", name, "--test-clock", format_time(began_at))
    slug = made["test"]["slug"]
    stage.solvent(
        "payments", "connect", str(provider), "--webhook-secret", secret, "--tenant", slug
    )
    return Founder(slug, made["keys"]["sk_test"], provider, secret, began_at)


def stripe_purchase(founder: Founder, customer: str) -> StripePurchase:
    """Return a customer's purchase of the Pro plan at Stripe, for one calendar month."""
    return StripePurchase(
        customer,
        "price_demo_pro_monthly",
        founder.began_at,
        period_days=days_of_month(founder.began_at),
    )


def paddle_purchase(founder: Founder, customer: str) -> PaddlePurchase:
    """Return a customer's purchase of the Pro plan at Paddle, for one calendar month."""
    return PaddlePurchase(
        customer,
        "pri_demo_pro_monthly",
        founder.began_at,
        period_days=days_of_month(founder.began_at),
    )


def days_of_month(moment: datetime) -> int:
    """Return how many days a calendar month from this moment on has."""
    later = (moment.replace(day=1) + timedelta(days=32)).replace(day=1)
    after = (later + timedelta(days=32)).replace(day=1)
    day = min(moment.day, (after - timedelta(days=1)).day)
    return (later.replace(day=day) - moment).days


def soon(look: Callable[[], bool], otherwise: str, *, within_s: float = HAPPENS_WITHIN_S) -> float:
    """Wait until it is true; return after how many milliseconds it was.

    Raises:
        NotTrue: it did not become true in time.
    """
    began_ms = monotonic_ms()
    while not look():
        if monotonic_ms() - began_ms > within_s * 1000:
            raise NotTrue(otherwise)
        time.sleep(POLL_S)
    return monotonic_ms() - began_ms
