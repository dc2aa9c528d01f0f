"""Does the doctor find nothing where nothing is wrong, and name what is?"""

from __future__ import annotations

from dataclasses import replace

from solvent.app.doctor import checks_of, examine, examining
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import OPERATOR
from solvent.kit.telemetry import METRICS
from solvent.systems.billing import parking
from solvent.systems.billing.breaker import Reason, Trip


async def test_a_sound_house_has_no_findings(house, tenant_id) -> None:
    slug = await _slug(house, tenant_id)
    checks = checks_of(house.wiring)
    assert [one for one in await examine(house.edge, checks) if one.tenant == slug] == []
    billing = {"books", "charged time", "parked accounts"}
    assert set(checks) >= billing | {"audit", "dead jobs", "dead letters"}


async def test_what_is_wrong_is_named_with_its_tenant(house, tenant_id, worker) -> None:
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        made = await tenants.ensure_customer(ctx, "globex")
        trip = Trip(Reason.BILLED_TWICE, "period of May")
        await parking.park(ctx, made.id, "sub_1", trip, invoice_id=None)
    slug = await _slug(house, tenant_id)
    findings = await examine(house.edge, checks_of(house.wiring))
    (found,) = [one for one in findings if one.tenant == slug]
    assert (found.check, found.subject) == ("parked accounts", made.id)
    assert found.detail == "billed_twice: period of May"
    some = {name: house.wiring.checks[name] for name in ("parked accounts", "charged time")}
    await examining(replace(house.wiring, checks=some)).run(house.edge)
    assert METRICS.get_sample_value("solvent_problems", {"check": "parked accounts"}) >= 1
    assert METRICS.get_sample_value("solvent_problems", {"check": "charged time"}) == 0


async def _slug(house, tenant_id) -> str:
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        return (await tenants.current(ctx)).slug
