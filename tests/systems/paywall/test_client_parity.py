"""Does the client decide as the server does, whatever a customer holds and asks for?

The client ships apart and so has its own copy of the rule; here both get the same record, the
client through the JSON that the stream carries.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pydantic_core
from hypothesis import given
from hypothesis import strategies as st

from solvent.kernel.catalogue.model import FeatureKind, OnOutage
from solvent.kernel.entitlements import service as entitlements
from solvent.kernel.entitlements.model import Access, Grant, Record, Wish
from solvent.kernel.entitlements.rules import decide as decide_here
from solvent.kernel.metering.model import Period
from solvent_client.decision import decide as decide_there
from solvent_client.parse import parse_object, parse_record

NOW = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)
PRODUCTS = st.sampled_from(["logs", "mail", "files"])
FEATURES = st.sampled_from(["export", "ingest", "render"])
ENDS = st.none() | st.integers(-2, 2).map(lambda seconds: NOW + timedelta(seconds=seconds))
AMOUNTS = st.decimals(0, 5, places=1)


@st.composite
def records(draw: st.DrawFn) -> Record:
    """Return a record such as subscriptions make: a grant ends when its product's access does."""
    held = draw(st.dictionaries(PRODUCTS, ENDS, max_size=3))
    features = draw(st.sets(FEATURES)) if held else set()
    return Record(
        customer_id="cus_" + "0" * 26,
        customer_ref="alice",
        revision=1,
        access=tuple(
            Access(product_key=product, plan_key="pro", status="active", until=until)
            for product, until in sorted(held.items())
        ),
        features=tuple(draw(_grant(feature, held)) for feature in sorted(features)),
    )


@st.composite
def _grant(draw: st.DrawFn, feature: str, held: dict[str, datetime | None]) -> Grant:
    product = draw(st.sampled_from(sorted(held)))
    if draw(st.booleans()):
        return Grant(
            feature_key=feature,
            kind=FeatureKind.SWITCH,
            on_outage=OnOutage.CLOSED,
            product_key=product,
            until=held[product],
        )
    return Grant(
        feature_key=feature,
        kind=FeatureKind.QUOTA,
        on_outage=OnOutage.OPEN,
        product_key=product,
        until=held[product],
        limit=draw(st.none() | AMOUNTS),
        overage=draw(st.booleans()),
        used=draw(AMOUNTS),
        period=Period(NOW - timedelta(days=1), NOW + timedelta(days=1)),
    )


@given(
    record=records(),
    feature=st.none() | FEATURES,
    product=st.none() | PRODUCTS,
    quantity=AMOUNTS.filter(bool),
)
def test_the_client_decides_as_the_server_does(
    record: Record, feature: str | None, product: str | None, quantity: Decimal
) -> None:
    wish = Wish(feature=feature, product=product, quantity=quantity)
    here = decide_here(record, wish, now=NOW)
    sent = pydantic_core.to_json(entitlements.describe(record))
    now_ms = NOW.timestamp() * 1000
    there = decide_there(
        parse_record(parse_object(sent)), (now_ms, now_ms), feature, product, quantity
    )
    assert there is not None
    assert (there.allowed, there.code) == (here.allowed, here.code.value)
    assert (there.until, there.remaining) == (here.until, here.remaining)


def test_neither_knows_a_customer_without_a_record() -> None:
    assert decide_here(None, Wish(), now=NOW).code.value == "no_subscription"
    there = decide_there(None, (0.0, 0.0))
    assert there is not None
    assert there.code == "no_subscription"
