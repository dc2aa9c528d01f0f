"""Does a trial end as its plan says: paid, over, or waiting for a card?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from solvent.app.testing import EPOCH
from solvent.kernel.audit import service as audit
from solvent.kernel.catalogue.errors import CatalogueInvalid
from solvent.kernel.catalogue.parse import parse
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import service
from solvent.kernel.subscriptions.errors import TransitionRefused
from solvent.kernel.subscriptions.events import PeriodEnded
from solvent.kernel.subscriptions.model import Status
from solvent.kernel.tenants.errors import CustomerUnknown
from solvent.kit.ctx import Actor, ScopeMissing

DAY = timedelta(days=1)
PLAN = """
[products.logs]
[plans.{0}]
product = "logs"
currency = "USD"
interval = "month"
trial_days = 14
trial_without_card = "{0}"
prices.base = {{ model = "flat", amount = 29 }}
"""
ENDS = EPOCH + 14 * DAY


@pytest.fixture
async def tried(shop):
    """Makes a subscription on a trial that ends in one of the three ways."""

    async def make(ending: str):
        await shop.load(PLAN.format(ending).encode())
        return await shop.create(ending)

    return make


async def note(shop, *, on_file: bool = True):
    return await shop.do(lambda ctx: service.note_card(ctx, "alice", on_file=on_file))


async def past_the_trial(shop, one):
    await shop.set_clock(ENDS + DAY)
    return await shop.renew(one)


@pytest.mark.parametrize(
    "ending, carded, status",
    [
        ("convert", False, Status.ACTIVE),
        ("convert", True, Status.ACTIVE),
        ("expire", False, Status.EXPIRED),
        ("expire", True, Status.ACTIVE),
        ("pend", False, Status.PENDING),
        ("pend", True, Status.ACTIVE),
    ],
)
async def test_a_trial_ends_as_its_plan_says(shop, tried, ending, carded, status) -> None:
    one = await tried(ending)
    if carded:
        assert await note(shop) == []
    after = await past_the_trial(shop, one)
    assert after.status is status
    assert await shop.periods(one) == [("01-15", "01-29")]
    (over,) = await shop.events(PeriodEnded)
    assert over.charged_seconds == 0
    expected = [(ending, 31 * 86_400)] if status is Status.ACTIVE else []
    assert await shop.charged(one, Period(ENDS, ENDS + 31 * DAY)) == expected
    assert after.grants_access(ENDS + DAY) is (status is Status.ACTIVE)
    assert await shop.renew(one) == after


async def test_a_trial_that_waits_begins_with_the_card_and_is_not_tried_again(shop, tried) -> None:
    one = await tried("pend")
    waiting = await past_the_trial(shop, one)
    assert waiting.awaits_card
    await shop.set_clock(ENDS + 5 * DAY)
    (begun,) = await note(shop)
    assert begun.status is Status.ACTIVE
    assert begun.period.start == ENDS + 5 * DAY
    assert begun.trial_end_at == ENDS
    assert await note(shop) == []
    assert await shop.charged(one, begun.period) == [("pend", 28 * 86_400)]


async def test_a_trial_that_waits_in_vain_expires_after_a_period(shop, tried) -> None:
    one = await tried("pend")
    await past_the_trial(shop, one)
    await shop.set_clock(ENDS + 40 * DAY)
    await shop.run_jobs()
    assert (await shop.get(one)).status is Status.EXPIRED
    assert await note(shop) == []
    with pytest.raises(TransitionRefused):
        await shop.do(lambda ctx: service.activate(ctx, one.id))


async def test_a_card_that_is_gone_counts_no_more(shop, tried) -> None:
    one = await tried("expire")
    await note(shop)
    await note(shop)
    await note(shop, on_file=False)
    assert (await past_the_trial(shop, one)).status is Status.EXPIRED
    async with shop.open() as ctx:
        told = await audit.list_records(ctx, action="subscriptions.card_noted")
    assert [record.entry.data["on_file"] for record in told] in ([True, False], [False, True])


async def test_a_pending_one_that_was_never_tried_waits_for_more_than_a_card(shop) -> None:
    await shop.load(PLAN.format("pend").encode())
    waiting = await shop.create("pend", pending=True)
    assert not waiting.awaits_card
    assert await note(shop) == []
    assert (await shop.get(waiting)).status is Status.PENDING


async def test_who_may_not_write_notes_no_card(shop, mallorys) -> None:
    await shop.customer()
    with pytest.raises(CustomerUnknown):
        await note(mallorys)
    looker = Actor("api_key", "key_1", frozenset({"subscriptions:read"}))
    async with shop.open(looker) as ctx:
        with pytest.raises(ScopeMissing):
            await service.note_card(ctx, "alice", on_file=True)


@pytest.mark.parametrize("line", ['trial_price = "1.00"', 'trial_without_card = "pend"'])
def test_terms_of_a_trial_need_a_trial(line: str) -> None:
    text = (
        PLAN.format("pend")
        .replace("trial_days = 14\n", "")
        .replace('trial_without_card = "pend"', line)
    )
    with pytest.raises(CatalogueInvalid, match="no trial_days"):
        parse(text.encode())
