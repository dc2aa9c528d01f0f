"""Do many subscriptions move to another version of a plan as was foreseen, and back in time?"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from datetime import timedelta

import httpx
import pytest

from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import PlanRef, When
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.model import CustomerDetails
from solvent.kit.jobs.testing import InlineJobs
from solvent.systems.billing.errors import (
    MigrationMalformed,
    MigrationNotFound,
    MigrationNotUndoable,
)
from solvent.systems.billing.migrations import rules, service
from solvent.systems.billing.migrations.model import Aim, ItemState, MigrationState, Where
from solvent.systems.billing.testing import Shop

DAY = timedelta(days=1)
OLD = b"""
[products.logs]
[plans.pro]
product = "logs"
currency = "USD"
interval = "month"
prices.base = { model = "flat", amount = 31 }
[plans.team]
product = "logs"
currency = "USD"
interval = "month"
prices.base = { model = "flat", amount = 99 }
"""
ONE, TWO = PlanRef("pro", 1), PlanRef("pro", 2)
NOW, LATER = Aim(ONE, TWO, When.NOW), Aim(ONE, TWO)


@pytest.fixture
async def shop(house, tenant_id) -> Shop:
    """Four subscriptions to the first version of a plan: one resting, one on its way elsewhere."""
    made = Shop(house.edge, tenant_id)
    await made.stock(OLD)
    for ref, country in (("ann", "DE"), ("ben", "FR"), ("cem", "DE"), ("dan", "US")):
        details = CustomerDetails(name=ref, country=country)
        await made.do(lambda ctx, ref=ref, told=details: tenants.upsert_customer(ctx, ref, told))
        await made.subscribe(ref)
    cem, dan = await held(made, "cem"), await held(made, "dan")
    await made.do(lambda ctx: subscriptions.pause(ctx, cem.id))
    later = When.PERIOD_END
    await made.do(lambda ctx: subscriptions.change_plan(ctx, dan.id, "team", when=later))
    await made.stock(OLD.replace(b"amount = 31 ", b"amount = 62 "))
    return made


async def held(shop: Shop, ref: str):
    async with shop.open() as ctx:
        customer = await tenants.get_customer(ctx, ref)
        (one,) = await subscriptions.list_current(ctx, customer.id)
        return one


async def run_jobs(house) -> None:
    runtime = InlineJobs(house.system, house.edge, house.wiring.jobs)
    while await runtime.run_due():
        pass


async def plans(shop: Shop) -> dict[str, tuple[int, PlanRef | None]]:
    return {
        ref: (one.plan_version, one.next_plan)
        for ref in ("ann", "ben", "cem", "dan")
        for one in [await held(shop, ref)]
    }


async def test_a_dry_run_tells_what_each_would_be_charged_and_changes_nothing(shop: Shop) -> None:
    before = await plans(shop)
    start = (await held(shop, "ann")).period.start
    await shop.move_clock(start + 10 * DAY)
    seen = await shop.do(lambda ctx: service.foresee(ctx, NOW))
    told = [
        (one.state, one.now_minor, one.fee_before_minor, one.fee_after_minor) for one in seen.items
    ]
    assert told == [
        (ItemState.MOVED, 2100, 3100, 6200),  # 21 of 31 days at 31.00 more
        (ItemState.MOVED, 2100, 3100, 6200),
        (ItemState.MOVED, 0, 3100, 6200),  # it rests
        (ItemState.REFUSED, 0, 0, 0),
    ]
    assert seen.items[-1].detail == "billing.other_change_planned"
    assert (seen.matching, seen.after, seen.currency) == (4, None, "USD")
    assert rules.tallied(seen.items)[ItemState.MOVED].now_minor == 4200
    later = await shop.do(lambda ctx: service.foresee(ctx, LATER, limit=3))
    assert {(one.state, one.now_minor) for one in later.items} == {(ItemState.PLANNED, 0)}
    assert later.after == later.items[-1].subscription_id
    assert await plans(shop) == before
    assert await shop.do(lambda ctx: service.list_migrations(ctx, limit=5)) == []


async def test_what_was_foreseen_is_what_is_charged(shop: Shop, house) -> None:
    one = await held(shop, "ann")
    await shop.move_clock(one.period.start + 10 * DAY)
    (foreseen, *_) = (await shop.do(lambda ctx: service.foresee(ctx, NOW))).items
    await shop.do(lambda ctx: service.start(ctx, NOW))
    await run_jobs(house)
    await shop.move_clock(one.period.end + DAY)
    (period,) = await shop.renew(one.id)
    invoice = await shop.bill(one.id, period)
    assert invoice.draft.total_minor == 3100 + foreseen.now_minor


async def test_a_migration_is_worked_off_page_by_page_and_once(shop: Shop, house) -> None:
    begun = await shop.do(lambda ctx: service.start(ctx, LATER))
    assert (begun.state, begun.looked_at, begun.matching) == (MigrationState.RUNNING, 0, 4)
    half = await shop.do(lambda ctx: service.step(ctx, begun.id, size=2))
    assert (half.state, half.looked_at) == (MigrationState.RUNNING, 2)
    await run_jobs(house)
    done = await shop.do(lambda ctx: service.get_migration(ctx, begun.id))
    assert (done.state, done.looked_at) == (MigrationState.DONE, 4)
    assert {state: tally.count for state, tally in done.tallies.items()} == {
        ItemState.PLANNED: 3,
        ItemState.REFUSED: 1,
    }
    assert await plans(shop) == {
        "ann": (1, TWO),
        "ben": (1, TWO),
        "cem": (1, TWO),
        "dan": (1, PlanRef("team", 1)),
    }
    assert await shop.do(lambda ctx: service.step(ctx, begun.id)) == done
    await shop.move_clock((await held(shop, "ann")).period.end + DAY)
    await run_jobs(house)
    assert (await held(shop, "ann")).plan == TWO
    assert (await held(shop, "dan")).plan == PlanRef("team", 1)


async def test_only_those_meant_move_and_the_others_keep_their_version(shop: Shop, house) -> None:
    aim = Aim(ONE, TWO, When.NOW, Where(country="DE"))
    await shop.do(lambda ctx: service.start(ctx, aim))
    await run_jobs(house)
    assert {ref: version for ref, (version, _) in (await plans(shop)).items()} == {
        "ann": 2,
        "ben": 1,
        "cem": 2,
        "dan": 1,
    }


@pytest.mark.parametrize(
    "conditions, meant",
    [
        (["customer=ben"], 1),
        (["status=paused"], 1),
        (["created_before=2026-01-01T00:00:00Z"], 0),
        (["country=DE", "status=active"], 1),
        ([], 4),
    ],
)
async def test_conditions_say_who_is_meant(shop: Shop, conditions: list[str], meant: int) -> None:
    aim = Aim(ONE, TWO, When.PERIOD_END, rules.parse_where(conditions))
    assert len((await shop.do(lambda ctx: service.foresee(ctx, aim))).items) == meant


async def test_what_is_planned_is_taken_back_and_what_has_moved_stays(shop: Shop, house) -> None:
    begun = await shop.do(lambda ctx: service.start(ctx, LATER))
    await run_jobs(house)
    ann = await held(shop, "ann")
    await shop.do(
        lambda ctx: subscriptions.change_plan(ctx, ann.id, "pro", version=2, when=When.NOW)
    )
    ben = await held(shop, "ben")
    await shop.do(lambda ctx: subscriptions.withdraw(ctx, ben.id, "next_plan"))
    undoing = await shop.do(lambda ctx: service.undo(ctx, begun.id))
    assert undoing.state is MigrationState.UNDOING
    await run_jobs(house)
    undone = await shop.do(lambda ctx: service.get_migration(ctx, begun.id))
    assert undone.state is MigrationState.UNDONE
    items = await shop.do(lambda ctx: service.list_items(ctx, begun.id, limit=10))
    assert [(one.state, one.detail) for one in items] == [
        (ItemState.MOVED, "its period had ended"),
        (ItemState.UNDONE, "it was changed meanwhile"),
        (ItemState.UNDONE, ""),
        (ItemState.REFUSED, "billing.other_change_planned"),
    ]
    assert (await held(shop, "cem")).next_plan is None
    with pytest.raises(MigrationNotUndoable):
        await shop.do(lambda ctx: service.undo(ctx, begun.id))


async def test_what_moved_at_once_cannot_be_taken_back(shop: Shop, house) -> None:
    begun = await shop.do(lambda ctx: service.start(ctx, NOW))
    await run_jobs(house)
    with pytest.raises(MigrationNotUndoable):
        await shop.do(lambda ctx: service.undo(ctx, begun.id))


@pytest.mark.parametrize(
    "aim",
    [
        Aim(ONE, ONE),
        Aim(ONE, TWO, When.AUTO),
    ],
)
async def test_a_migration_that_leads_nowhere_is_refused(shop: Shop, aim: Aim) -> None:
    for act in (service.foresee, service.start):
        with pytest.raises(MigrationMalformed):
            await shop.do(lambda ctx, act=act: act(ctx, aim))


@pytest.mark.parametrize(
    "conditions",
    [
        ["country"],
        ["country="],
        ["age=3"],
        ["country=DE", "country=FR"],
        ["status=x"],
        ["country=de"],
    ],
)
def test_conditions_that_are_not_known_are_refused(conditions: list[str]) -> None:
    with pytest.raises(MigrationMalformed):
        rules.parse_where(conditions)


@pytest.mark.parametrize("text", ["pro", "pro@", "pro@0", "@1", "pro@1.5", "Pro@1"])
def test_a_version_is_told_as_plan_at_number(text: str) -> None:
    with pytest.raises(MigrationMalformed):
        rules.parse_plan(text, field="--from")


# --------------------------------------------------------------------------------- HTTP, terminal


@pytest.fixture
async def alice(app, shop: Shop) -> AsyncGenerator[httpx.AsyncClient]:
    issued = await shop.do(lambda ctx: tenants.issue_key(ctx, name="alice"))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://solvent.test/v1",
        headers={"authorization": f"Bearer {issued.text}"},
    ) as made:
        yield made


BODY = {"from_plan": "pro", "from_version": 1, "to_plan": "pro", "to_version": 2}


async def test_a_migration_over_http(alice: httpx.AsyncClient, house, shop: Shop) -> None:
    seen = (
        await alice.post("/migrations/preview", json=BODY | {"where": {"country": "DE"}})
    ).json()
    assert seen["tallies"] == {
        "planned": {"count": 2, "now_minor": 0, "fee_before_minor": 6200, "fee_after_minor": 12_400}
    }
    begun = await alice.post("/migrations", json=BODY)
    assert begun.status_code == 201
    path = f"/migrations/{begun.json()['id']}"
    await run_jobs(house)
    done = (await alice.get(path)).json()
    assert (done["state"], done["looked_at"], done["matching"]) == ("done", 4, 4)
    refused = (await alice.get(f"{path}/items", params={"state": "refused"})).json()["data"]
    assert [one["detail"] for one in refused] == ["billing.other_change_planned"]
    assert len((await alice.get("/migrations")).json()["data"]) == 1
    assert (await alice.post(f"{path}/undo")).json()["state"] == "undoing"
    wrong = await alice.post("/migrations", json=BODY | {"to_version": 9})
    assert (wrong.status_code, wrong.json()["code"]) == (404, "catalogue.plan_not_found")


async def test_a_change_is_quoted_before_it_is_made(alice: httpx.AsyncClient, shop: Shop) -> None:
    one = await held(shop, "ann")
    await shop.move_clock(one.period.start + 10 * DAY)
    path = f"/subscriptions/{one.id}/preview-change"
    dearer = (await alice.post(path, json={"plan": "team"})).json()
    assert (dearer["when"], dearer["plan"], dearer["quantity"]) == ("now", "team", 1)
    assert (dearer["fee_before_minor"], dearer["fee_after_minor"]) == (3100, 9900)
    assert dearer["now_minor"] == round((9900 - 3100) * 21 / 31)
    later = (await alice.post(path, json={"plan": "team", "when": "period_end"})).json()
    assert (later["now_minor"], later["takes_effect_at"]) == (0, "2026-02-15T10:00:00Z")
    unfit = await alice.post(path, json={"quantity": 5})
    assert (unfit.status_code, unfit.json()["code"]) == (400, "subscriptions.quantity_refused")
    assert await held(shop, "ann") == one


async def test_mallory_sees_and_undoes_no_migration(shop: Shop, house, edge, mallory_id) -> None:
    begun = await shop.do(lambda ctx: service.start(ctx, LATER))
    mallorys = Shop(edge, mallory_id)
    for act in (service.get_migration, service.undo):
        with pytest.raises(MigrationNotFound):
            await mallorys.do(lambda ctx, act=act: act(ctx, begun.id))


@pytest.fixture
async def slug(shop: Shop) -> str:
    return (await shop.do(tenants.current)).slug


def test_a_migration_at_the_terminal(solvent, slug: str) -> None:
    """What the page about migrations does not show."""
    command = ("subscription", "migrate", "--from", "pro@1", "--tenant", slug)
    tried = solvent.ok(*command, "--to", "pro@2", "--at", "now", "--dry-run", "--json")
    assert sorted(one["state"] for one in json.loads(tried)["items"]) == [
        *["moved"] * 3,
        "refused",
    ]
    code, _, err = solvent(*command, "--to", "pro")
    assert code == 2
    assert "--to" in err
