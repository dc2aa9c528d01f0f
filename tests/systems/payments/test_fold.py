"""Do all orders and repetitions of a subscription's events come to one and the same state?"""

import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent.systems.payments.errors import EventMalformed
from solvent.systems.payments.model import Event, Provider, Status
from solvent.systems.payments.rules import paddle, stripe
from solvent.systems.payments.rules.fold import fold
from solvent.systems.payments.rules.reading import read_body
from solvent.systems.payments.testing import PaddlePurchase, StripePurchase

AT = datetime(2026, 11, 1, 10, tzinfo=UTC)
STRIPE = StripePurchase("u42", "price_pro", AT)
PADDLE = PaddlePurchase("u42", "pri_pro", AT)
DAY = timedelta(days=1)


def read(body):
    doc = read_body(body)
    if "event_id" in doc.fields:
        return Event(Provider.PADDLE, paddle.envelope(doc), paddle.fact(doc))
    return Event(Provider.STRIPE, stripe.envelope(doc), stripe.fact(doc))


def state(*bodies):
    events = [read(body) for body in bodies]
    return fold(events[0].envelope.subscription_ref, events)


FIVE = (
    STRIPE.created(),
    STRIPE.updated(),
    STRIPE.paid(),
    STRIPE.checkout(),
    STRIPE.deleted(at=AT + 3 * DAY),
)


def test_all_orders_converge():
    """All 5! orders of the five main events, and all orders of every subset of them."""
    for size in range(1, 6):
        for subset in itertools.combinations(FIVE, size):
            assert len({state(*order) for order in itertools.permutations(subset)}) == 1
    whole = state(*FIVE)
    assert (whole.status, whole.ended_at) == (Status.CANCELED, AT + 3 * DAY)
    assert whole.buyer.customer_ref == "u42"


@pytest.mark.parametrize("told, seats", [(5, 5), (0, 1), (None, 1)])
def test_seats_are_those_of_the_price(told: int | None, seats: int) -> None:
    body = json.loads(STRIPE.updated())
    (item,) = body["data"]["object"]["items"]["data"]
    item["quantity"] = told
    (price,) = state(json.dumps(body).encode()).price_ids
    assert state(json.dumps(body).encode()).seats == ((price, seats),)


def test_a_number_of_seats_that_cannot_be_is_refused() -> None:
    body = json.loads(STRIPE.updated())
    body["data"]["object"]["items"]["data"][0]["quantity"] = 2**40
    with pytest.raises(EventMalformed, match="quantity"):
        state(json.dumps(body).encode())


def test_the_state_grows_with_each_event():
    created, updated, paid, checkout, deleted = FIVE
    assert state(created).status is Status.PENDING
    assert state(checkout) is None
    assert state(created, checkout).buyer.customer_ref == "u42"
    assert state(updated).status is Status.ACTIVE
    assert state(deleted).status is Status.CANCELED
    assert state(created, paid).status is Status.ACTIVE
    assert state(paid).sellable
    assert state(paid).paid_through == AT + 30 * DAY


def test_terminal_is_final():
    """A stale `created`, a late `updated`, a late payment: nothing wakes what has ended."""
    deleted = STRIPE.deleted(at=AT + DAY)
    for late in (STRIPE.created, STRIPE.updated, STRIPE.paid):
        told = state(deleted, late(at=AT + 5 * DAY))
        assert (told.status, told.ended_at) == (Status.CANCELED, AT + DAY)
    canceled = PADDLE.canceled(at=AT + DAY)
    told = state(PADDLE.created(), canceled, PADDLE.updated(at=AT + 2 * DAY))
    assert (told.status, told.ended_at) == (Status.CANCELED, AT + DAY)


def test_repeats_change_nothing():
    for body in FIVE:
        assert state(*FIVE, body, body) == state(*FIVE)


def test_same_second_events_have_one_order():
    """Stripe's times are whole seconds: made, paid and updated within one is the usual case."""
    events = (STRIPE.created(), STRIPE.paid(at=AT), STRIPE.updated(at=AT), STRIPE.checkout())
    told = {state(*order) for order in itertools.permutations(events)}
    assert {one.status for one in told} == {Status.ACTIVE}
    assert len(told) == 1


def test_a_renewal_is_known_from_either_event():
    first = (STRIPE.created(), STRIPE.paid(), STRIPE.updated())
    second = AT + 60 * DAY
    by_invoice = state(*first, STRIPE.paid(period=1))
    by_update = state(*first, STRIPE.updated(period=1, at=AT + 30 * DAY))
    assert by_invoice.period.end == by_update.period.end == second
    assert by_invoice.paid_through == second
    assert by_update.paid_through == AT + 30 * DAY


def test_past_due_until_the_period_is_paid():
    first = (STRIPE.created(), STRIPE.paid(), STRIPE.updated())
    due = AT + 30 * DAY
    owing = (*first, STRIPE.payment_failed(period=1))
    assert state(*owing).status is Status.PAST_DUE
    owing = (*owing, STRIPE.updated(status="past_due", period=1, at=due + timedelta(seconds=5)))
    assert state(*owing).status is Status.PAST_DUE
    assert state(*owing, STRIPE.paid(period=1, at=due + 2 * DAY)).status is Status.ACTIVE
    late_old = STRIPE.paid(period=0, at=due + 2 * DAY)
    assert state(*first[:1], owing[-1], late_old).status is Status.PAST_DUE


def test_a_failed_upgrade_leaves_a_paid_period_alone():
    paid = (STRIPE.created(), STRIPE.paid(), STRIPE.updated())
    failed = STRIPE.payment_failed(period=0, at=AT + 5 * DAY)
    assert state(*paid, failed).status is Status.ACTIVE


def test_unpaid_gives_no_access_until_it_is_active_again():
    base = (STRIPE.created(), STRIPE.paid())
    unpaid = STRIPE.updated(status="unpaid", period=1, at=AT + 40 * DAY)
    assert state(*base, unpaid).status is Status.PAUSED
    again = STRIPE.updated(period=1, at=AT + 41 * DAY)
    assert state(*base, unpaid, again).status is Status.ACTIVE


def test_a_planned_cancellation_is_seen_and_can_be_taken_back():
    planned = STRIPE.updated(at=AT + DAY, cancel_at_period_end=True)
    back = STRIPE.updated(at=AT + 2 * DAY, cancel_at_period_end=False)
    assert state(STRIPE.created(), planned).cancel_at == AT + 30 * DAY
    assert state(STRIPE.created(), planned, back).cancel_at is None
    ends = {"action": "cancel", "effective_at": "2026-12-01T10:00:00Z"}
    told = state(PADDLE.created(), PADDLE.updated(scheduled_change=ends))
    assert told.cancel_at == AT + 30 * DAY


def test_the_checkout_names_the_customer_whatever_came_before():
    nameless = StripePurchase(None, "price_pro", AT)
    assert state(nameless.created()).buyer.customer_ref is None
    assert state(nameless.created(), STRIPE.checkout()).buyer.customer_ref == "u42"
    told = STRIPE.updated(metadata={"customer": "somebody-else"})
    assert state(STRIPE.checkout(), told).buyer.customer_ref == "u42"
    assert state(STRIPE.created(), told).buyer.customer_ref == "somebody-else"


def test_paddle_converges_too():
    events = (
        PADDLE.created(),
        PADDLE.activated(),
        PADDLE.completed(),
        PADDLE.past_due(period=1, at=AT + 30 * DAY),
        PADDLE.canceled(at=AT + 35 * DAY),
    )
    told = {state(*order) for order in itertools.permutations(events)}
    assert len(told) == 1
    assert told.pop().status is Status.CANCELED
    assert state(*events[:4]).status is Status.PAST_DUE
    assert state(*events[:4]).period.end == AT + 60 * DAY


SOME = [
    *FIVE[:4],
    STRIPE.payment_failed(period=1),
    STRIPE.updated(status="past_due", period=1, at=AT + 30 * DAY),
    STRIPE.paid(period=1, at=AT + 31 * DAY),
    STRIPE.updated(period=1, at=AT + 31 * DAY),
    STRIPE.updated(status="paused", period=1, at=AT + 33 * DAY),
    STRIPE.deleted(at=AT + 40 * DAY, period=1),
]


@given(st.lists(st.sampled_from(SOME), min_size=1, max_size=14), st.randoms())
def test_any_order_of_any_events_converges(bodies, chance):
    events = [read(body) for body in bodies]
    shuffled = list(events)
    chance.shuffle(shuffled)
    assert fold(STRIPE.subscription_id, events) == fold(STRIPE.subscription_id, shuffled)


def test_nothing_is_known_of_nothing():
    assert fold("sub_1", []) is None


@pytest.mark.parametrize("status", ["incomplete_expired", "canceled"])
def test_an_update_can_end_it_as_well(status):
    told = state(STRIPE.created(), STRIPE.updated(status=status, at=AT + DAY))
    assert told.status.terminal
    assert told.ended_at == AT + DAY
