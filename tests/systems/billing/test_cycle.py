"""Is each period closed once, in order, however late and however often its end is told?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import Invoice
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.events import PeriodEnded
from solvent.kernel.subscriptions.model import Subscription
from solvent.kit.ctx import Ctx
from solvent.kit.testing import eventually
from solvent.systems.billing import service, tasks
from solvent.systems.billing.errors import EarlierPeriodOpen
from solvent.systems.billing.testing import CATALOGUE, Shop, at


async def invoices(shop: Shop) -> list[Invoice]:
    return list(reversed(await shop.do(ledger.list_invoices)))


def ended(held: Subscription, period: Period, *, charged_seconds: int = 1) -> PeriodEnded:
    return PeriodEnded(
        subscription_id=held.id,
        customer_id=held.customer_id,
        period_start=period.start,
        period_end=period.end,
        charged_seconds=charged_seconds,
    )


async def test_period_closed_once_in_order(shop: Shop, held: Subscription, worker: None) -> None:
    """Time passes by three months at once; the real relay, handlers and jobs do the rest."""
    await shop.move_clock(held.period.start + timedelta(days=95))
    drawn = await eventually(lambda: invoices(shop), until=lambda found: len(found) == 3)
    assert [one.number for one in drawn] == [1, 2, 3]
    assert [one.draft.period_start for one in drawn] == [
        at("2026-01-15T10:00:00"),
        at("2026-02-15T10:00:00"),
        at("2026-03-15T10:00:00"),
    ]
    for one in drawn:  # told again, by hand
        period = Period(one.draft.period_start, one.draft.period_end)
        await shop.do(lambda ctx, p=period: tasks.on_period_ended(ctx, ended(held, p)))
    assert await invoices(shop) == drawn
    assert (await shop.do(ledger.verify)).sound


async def test_a_later_period_waits_for_the_earlier_one(shop: Shop, held: Subscription) -> None:
    await shop.move_clock(held.period.start + timedelta(days=65))
    january, february = await shop.renew(held.id)
    with pytest.raises(EarlierPeriodOpen):
        await shop.do(lambda ctx: service.close_period(ctx, held.id, february))
    for period in (january, february, january):
        await shop.do(lambda ctx, p=period: service.close_period(ctx, held.id, p))
    assert [one.number for one in await invoices(shop)] == [1, 2]


async def test_a_period_of_nothing_but_trial_has_no_invoice(shop: Shop) -> None:
    held = await shop.subscribe(plan="trial")
    await shop.move_clock(held.period.end + timedelta(days=32))
    trial, month = await shop.renew(held.id)
    await shop.do(lambda ctx: tasks.on_period_ended(ctx, ended(held, trial, charged_seconds=0)))
    await shop.do(lambda ctx: tasks.on_period_ended(ctx, ended(held, month)))
    (drawn,) = await invoices(shop)
    assert (drawn.number, drawn.draft.total_minor) == (1, 2900)


async def test_clock_back_closes_nothing(shop: Shop) -> None:
    """The scheduler of a shop in Paris runs at 20:00 and at 23:00 UTC: midnight there is 23:00."""
    await shop.move_clock(at("2026-01-31T23:00:00"))
    await shop.customer("bistro", time_zone="Europe/Paris")
    held = await shop.subscribe("bistro")
    assert held.period.end == at("2026-02-28T23:00:00")
    counts = []
    for now in (
        "2026-02-28T20:00:00",
        "2026-02-28T23:00:00",
        "2026-02-28T23:00:01",
        "2026-02-28T20:00:00",  # back
        "2026-02-28T23:00:00",
        "2026-03-01T20:00:00",
    ):
        await shop.do(_set_clock(now))
        for period in await shop.renew(held.id):
            await shop.do(lambda ctx, p=period: tasks.on_period_ended(ctx, ended(held, p)))
        counts.append(len(await invoices(shop)))
    assert counts == [0, 1, 1, 1, 1, 1]
    (drawn,) = await invoices(shop)
    assert drawn.draft.period_seconds == 28 * 86_400


def _set_clock(text: str):
    """Put the clock where the service would not let it go: back."""

    async def act(ctx: Ctx) -> None:
        await ctx.tx.execute(
            "update kit_test_clock set now_at = $2 where tenant_id = $1", ctx.tenant_id, at(text)
        )

    return act


async def test_a_month_with_the_clock_change_costs_a_month(shop: Shop) -> None:
    await shop.move_clock(at("2026-02-28T23:00:00"))
    await shop.customer("bistro", time_zone="Europe/Paris")
    held = await shop.subscribe("bistro")
    await shop.move_clock(at("2026-04-01T00:00:00"))
    (march,) = await shop.renew(held.id)
    assert march.end == at("2026-03-31T22:00:00")
    drawn = await shop.bill(held.id, march)
    assert drawn.draft.period_seconds == 31 * 86_400 - 3600
    assert drawn.draft.lines[0].amount_minor == 2900


async def test_a_canceled_subscription_is_billed_to_its_last_second(
    shop: Shop, held: Subscription
) -> None:
    half = held.period.start + timedelta(days=15, hours=12)
    await shop.move_clock(half)
    await shop.do(lambda ctx: subscriptions.cancel(ctx, held.id))
    periods = await shop.renew(held.id)
    assert periods[-1].end == half
    await shop.do(lambda ctx: tasks.on_period_ended(ctx, ended(held, periods[-1])))
    (drawn,) = await invoices(shop)
    assert drawn.draft.period_end == half


async def test_a_draft_stays_open_for_late_usage_as_long_as_its_plan_says(
    shop: Shop, worker: None
) -> None:
    await shop.stock(CATALOGUE.replace(b"grace_days = 3", b"grace_days = 3\ndraft_days = 2"))
    held = await shop.subscribe()
    await shop.move_clock(held.period.end + timedelta(hours=1))
    (draft,) = await eventually(lambda: invoices(shop), until=lambda found: len(found) == 1)
    assert (draft.number, draft.draft.total_minor) == (None, 2900)
    await shop.use("5", held.period.start, id="late")
    await shop.move_clock(held.period.end + timedelta(days=2))
    (drawn,) = await eventually(lambda: invoices(shop), until=lambda found: bool(found[0].number))
    assert (drawn.id, drawn.draft.total_minor) == (draft.id, 3400)


async def test_many_periods_are_closed_at_once_as_one_by_one(
    shop: Shop, held: Subscription
) -> None:
    """Three periods of one subscriber and one of another, in one transaction."""
    await shop.customer("initech")
    other = await shop.subscribe("initech")
    await shop.use("3", held.period.start, id="a")
    await shop.move_clock(held.period.start + timedelta(days=95))
    asked = [(held.id, one) for one in await shop.renew(held.id)]
    asked.insert(1, (other.id, (await shop.renew(other.id))[0]))
    drawn = await shop.do(lambda ctx: service.close_periods(ctx, asked))
    assert [(one.draft.subscription_id, one.number) for one in drawn] == [
        (held.id, 1),
        (other.id, 2),
        (held.id, 3),
        (held.id, 4),
    ]
    assert [one.draft.total_minor for one in drawn] == [3200, 2900, 2900, 2900]
    assert await shop.do(lambda ctx: service.close_periods(ctx, asked)) == drawn
    assert (await shop.do(ledger.verify)).sound


async def test_many_periods_are_opened_at_once_as_one_by_one(shop: Shop) -> None:
    """Two subscriptions of one customer, and one of another, in one transaction."""
    ahead = CATALOGUE.replace(b'amount = "29.00"', b'amount = "29.00"\nin_advance = true', 1)
    letters = ahead.replace(b"[products.logs]", b"[products.mail]\n[products.logs]") + (
        b'[plans.letters]\nproduct = "mail"\ncurrency = "USD"\ninterval = "month"\n'
        b'prices.base = { model = "flat", amount = "5.00", in_advance = true }\n'
    )
    await shop.stock(letters)
    await shop.customer("initech")
    held = [await shop.subscribe(plan=plan) for plan in ("pro", "letters")]
    held.append(await shop.subscribe("initech"))
    opened = await shop.do(lambda ctx: service.open_periods(ctx, held))
    assert [(one.draft.subscription_id, one.number, one.draft.total_minor) for one in opened] == [
        (held[0].id, 1, 2900),
        (held[2].id, 2, 2900),
        (held[1].id, 3, 500),
    ]
    assert await shop.do(lambda ctx: service.open_periods(ctx, held)) == opened
    assert [await shop.do(lambda ctx, h=one: service.open_period(ctx, h.id)) for one in held] == [
        opened[0],
        opened[2],
        opened[1],
    ]


async def test_one_period_that_cannot_be_closed_holds_all_of_its_transaction(
    shop: Shop, held: Subscription
) -> None:
    await shop.customer("initech")
    other = await shop.subscribe("initech")
    await shop.move_clock(held.period.start + timedelta(days=65))
    january, february = await shop.renew(held.id)
    await shop.renew(other.id)
    events = [ended(other, january), ended(held, february)]
    with pytest.raises(EarlierPeriodOpen):
        await shop.do(lambda ctx: tasks.on_periods_ended(ctx, events))
    assert await invoices(shop) == []
