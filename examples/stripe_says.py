"""What would Stripe say, and how would it sign it? For trying webhooks out without an account.

    python -m examples.stripe_says paid --to URL --secret whsec_… --customer ada --price price_…
    python -m examples.stripe_says canceled --to URL --secret whsec_… --customer ada --price price_…

Each event goes out as Stripe sends it: signed over the raw body, and not in the order of time.
"""

import argparse
import hashlib
import sys
from datetime import UTC, datetime, timedelta

import httpx

from solvent.systems.payments.model import Provider
from solvent.systems.payments.testing import StripePurchase, deliver

MONTH_DAYS = 30


def main() -> int:
    """Send the events of a purchase or of its end; exit 1 if one is not taken."""
    told = read_arguments()
    now = datetime.now(UTC).replace(microsecond=0)
    purchase = purchase_of(told.customer, told.price, now)
    for body in events(told.what, purchase, now):
        sent = deliver(Provider.STRIPE, body, secret=told.secret, at=now)
        answer = httpx.post(told.to, content=sent.body, headers=sent.headers, timeout=10)
        print(answer.status_code, answer.text)
        if not answer.is_success:
            return 1
    return 0


def read_arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description="Send webhooks as Stripe would.")
    parser.add_argument("what", choices=["paid", "canceled"])
    parser.add_argument("--to", required=True, help="Address of the webhook endpoint.")
    parser.add_argument("--secret", required=True, help="Its signing secret, whsec_….")
    parser.add_argument("--customer", required=True, help="Your own name of the customer.")
    parser.add_argument("--price", required=True, help="Stripe's id of the price.")
    return parser.parse_args()


def purchase_of(customer: str, price: str, now: datetime) -> StripePurchase:
    """Return a purchase that is the same each time it is asked for on a day."""
    name = hashlib.sha256(f"{customer} {price}".encode()).hexdigest()[:16]
    return StripePurchase(
        customer,
        price,
        now.replace(hour=0, minute=0, second=0),
        subscription_id=f"sub_{name}",
        provider_customer_id=f"cus_{name}",
        period_days=MONTH_DAYS,
    )


def events(what: str, purchase: StripePurchase, now: datetime) -> list[bytes]:
    """Return the bodies to send: for a purchase the payment comes before what it pays."""
    if what == "canceled":
        return [purchase.deleted(at=now)]
    began = purchase.started_at + timedelta(seconds=1)
    return [purchase.paid(), purchase.updated(), purchase.checkout(at=began), purchase.created()]


if __name__ == "__main__":
    sys.exit(main())
