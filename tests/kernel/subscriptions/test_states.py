"""Does each state lead only where it may, and does access end to the second?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations, product

import pytest

from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.errors import TransitionRefused
from solvent.kernel.subscriptions.model import (
    GRANTING,
    TERMINAL,
    Status,
    Subscription,
    SubscriptionId,
)
from solvent.kernel.subscriptions.rules.states import (
    RENEWAL_SLACK,
    Move,
    choose_current,
    expires_at,
    moved,
    observed,
)

START, END = datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 2, 15, tzinfo=UTC)
GRACE = timedelta(days=3)
DAY = timedelta(days=1)

LEADS = {
    (Status.PENDING, Move.ACTIVATE): Status.ACTIVE,
    (Status.PENDING, Move.TRY): Status.TRIALING,
    (Status.TRIALING, Move.WAIT): Status.PENDING,
    (Status.TRIALING, Move.CONVERT): Status.ACTIVE,
    (Status.ACTIVE, Move.OWE): Status.PAST_DUE,
    (Status.PAST_DUE, Move.OWE): Status.PAST_DUE,
    (Status.PAST_DUE, Move.PAY): Status.ACTIVE,
    (Status.ACTIVE, Move.PAY): Status.ACTIVE,
    (Status.ACTIVE, Move.PAUSE): Status.PAUSED,
    (Status.PAUSED, Move.RESUME): Status.ACTIVE,
    **{(status, Move.CANCEL): Status.CANCELED for status in Status if status not in TERMINAL},
    **{(status, Move.CHANGE): status for status in Status if status not in TERMINAL},
    **{(status, Move.EXPIRE): Status.EXPIRED for status in Status if status not in TERMINAL},
}


@pytest.mark.parametrize("status, move", [*product(Status, Move)])
def test_each_move_leads_where_it_may_or_is_named(status: Status, move: Move) -> None:
    if (status, move) in LEADS:
        assert moved(status, move) is LEADS[status, move]
        return
    with pytest.raises(TransitionRefused) as refused:
        moved(status, move)
    assert refused.value.detail == {"status": status.value, "move": move.value}
    assert status.value in str(refused.value)
    assert move.value in str(refused.value)


@pytest.mark.parametrize("held, told", [*product(Status, Status)])
def test_what_has_ended_stays_ended(held: Status, told: Status) -> None:
    assert observed(held, told) is (held if held in TERMINAL else told)


def test_terminal_states_grant_nothing() -> None:
    assert not GRANTING & TERMINAL
    assert {Status.PENDING, Status.PAUSED} == set(Status) - GRANTING - TERMINAL


def subscription(status: Status = Status.ACTIVE, **more) -> Subscription:
    made = Subscription(
        id=SubscriptionId("sub_1"),
        customer_id="cus_1",
        product_key="logs",
        plan_key="pro",
        plan_version=1,
        status=status,
        current=True,
        period=Period(START, END),
        anchor_at=START,
        time_zone="UTC",
        plan_expires_at=END,
        auto_renew=True,
        created_at=START,
        paid_through=END,
    )
    return replace(made, **more)


STRIPE = {"provider": "stripe", "provider_subscription_id": "sub_9"}


@pytest.mark.parametrize(
    "held, until",
    [
        (subscription(), END + GRACE),
        (subscription(auto_renew=False), END),
        (subscription(**STRIPE), END + GRACE),
        (subscription(auto_renew=False, **STRIPE), END + GRACE),
        (subscription(paid_through=START, **STRIPE), START + GRACE),
        (subscription(Status.TRIALING), END + GRACE),
        (subscription(Status.TRIALING, paid_through=START, **STRIPE), END + GRACE),
        (subscription(Status.TRIALING, auto_renew=False), END),
        (subscription(Status.PAST_DUE, paid_through=START), START + GRACE),
        (subscription(Status.PAST_DUE, paid_through=None), START + GRACE),
        (subscription(Status.PENDING), START),
        (subscription(Status.PAUSED, paused_at=START + DAY), START + DAY),
        (subscription(Status.CANCELED, ended_at=START + DAY), START + DAY),
        (subscription(Status.EXPIRED, ended_at=END), END),
        (subscription(cancel_at=END), END),
        (subscription(cancel_at=START + DAY), START + DAY),
        (subscription(Status.PAST_DUE, paid_through=START, cancel_at=END), START + GRACE),
    ],
)
def test_access_ends_in_each_state(held: Subscription, until: datetime) -> None:
    assert expires_at(held, grace=GRACE) == until


def test_a_renewal_on_its_way_locks_nobody_out() -> None:
    assert expires_at(subscription(), grace=timedelta(0)) == END + RENEWAL_SLACK
    owing = subscription(Status.PAST_DUE, paid_through=START)
    assert expires_at(owing, grace=timedelta(0)) == START


def test_access_is_up_to_the_second_and_not_at_it() -> None:
    held = subscription(plan_expires_at=END)
    assert held.grants_access(END - timedelta(microseconds=1))
    assert not held.grants_access(END)
    assert not replace(held, status=Status.PAUSED).grants_access(START)


def test_the_same_one_is_current_in_whatever_order() -> None:
    several = [
        subscription(Status.PENDING, id=SubscriptionId("sub_a")),
        subscription(Status.PAST_DUE, id=SubscriptionId("sub_b")),
        subscription(Status.ACTIVE, id=SubscriptionId("sub_c")),
        subscription(Status.ACTIVE, id=SubscriptionId("sub_d"), plan_expires_at=END + DAY),
        subscription(Status.CANCELED, id=SubscriptionId("sub_e")),
    ]
    chosen = {choose_current(order) for order in permutations(several)}
    assert {one.id for one in chosen if one} == {"sub_d"}
    assert choose_current(several[-1:]) is None
