"""Are endpoints made, changed and rotated as they should be?"""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from solvent.kit.crypto import SealBroken
from solvent.kit.ctx import OPERATOR
from solvent.systems.webhooks import service
from solvent.systems.webhooks.errors import (
    EndpointNotFound,
    EndpointsTooMany,
    OutOfRange,
    PatternInvalid,
    SchemeMissing,
    SecretMalformed,
    SecretsTooMany,
    UrlInvalid,
)
from solvent.systems.webhooks.limits import ENDPOINTS_MAX, PATTERNS_MAX
from solvent.systems.webhooks.model import SignatureScheme
from solvent.systems.webhooks.rules.patterns import matches
from solvent.systems.webhooks.rules.signature import is_signed_by
from solvent.systems.webhooks.service.endpoints import Signing, keys_of
from solvent.systems.webhooks.service.types import known_types
from solvent.systems.webhooks.testing import LOOPBACK, TYPE

URL = "https://hooks.example.com/solvent"


async def test_a_secret_is_shown_once(business):
    made = await business.add(URL)
    assert made.secrets[0].startswith("whsec_")
    again = await business.fresh(made.endpoint)
    assert made.secrets[0] not in repr(again)
    async with business.edge.open(business.tenant_id, OPERATOR) as ctx:
        (sealed,) = await ctx.tx.fetch(
            "select id, sealed from webhooks_secret where tenant_id = $1", ctx.tenant_id
        )
        raw = base64.b64decode(made.secrets[0].removeprefix("whsec_"))
        assert raw not in bytes(sealed["sealed"])
        with pytest.raises(SealBroken):
            ctx.vault.open(bytes(sealed["sealed"]), context="another/place")
        (key,) = (await keys_of(ctx, [made.endpoint.id]))[made.endpoint.id]
    assert key.text == made.secrets[0]


async def test_old_and_new_secret_sign_side_by_side_until_the_old_one_ends(business, receiver):
    made = await business.add(receiver.url)
    old = made.secrets[0]
    rotated = await business.do(lambda ctx: service.rotate(ctx, made.endpoint.id, overlap_hours=1))
    new = rotated.secrets[0]
    await business.happens()
    await business.deliver()
    both = receiver.received[0]
    for secret in (old, new):
        assert Webhook(secret).verify(both.body, both.headers)
    await end_old_secrets(business)
    await business.happens()
    await business.deliver()
    alone = receiver.received[1]
    assert Webhook(new).verify(alone.body, alone.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(alone.body, alone.headers)
    assert len((await business.fresh(made.endpoint)).secrets) == 1


async def end_old_secrets(business):
    """Let the hour pass by which the database knows that secrets end."""
    async with business.edge.open(business.tenant_id, OPERATOR) as ctx:
        await ctx.tx.execute(
            "update webhooks_secret set not_after = clock_timestamp() - interval '1 second'"
            " where tenant_id = $1 and not_after is not null",
            ctx.tenant_id,
        )


async def test_without_an_overlap_the_old_secret_ends_at_once(business, receiver):
    made = await business.add(receiver.url)
    rotated = await business.do(lambda ctx: service.rotate(ctx, made.endpoint.id, overlap_hours=0))
    assert len(rotated.endpoint.secrets) == 1
    await business.happens()
    await business.deliver()
    (got,) = receiver.received
    now = business.clock.now()
    assert is_signed_by(got.headers, got.body, rotated.secrets[0], at=now)
    assert not is_signed_by(got.headers, got.body, made.secrets[0], at=now)


async def test_v1a_alone_beside_v1_and_added_later(business, receiver):
    both = Signing((SignatureScheme.V1, SignatureScheme.V1A))
    made = await business.add(receiver.url, signing=both)
    added = await business.add(receiver.url)
    await business.do(
        lambda ctx: service.rotate(
            ctx, added.endpoint.id, scheme=SignatureScheme.V1A, overlap_hours=0
        )
    )
    await business.happens()
    await business.deliver()
    for got in receiver.received:
        schemes = {one.partition(",")[0] for one in got.headers["webhook-signature"].split(" ")}
        assert schemes == {"v1", "v1a"}
    keys = [
        one.public_key
        for endpoint in (made.endpoint, added.endpoint)
        for one in (await business.fresh(endpoint)).secrets
        if one.public_key
    ]
    now = business.clock.now()
    for got in receiver.received:
        assert sum(is_signed_by(got.headers, got.body, key, at=now) for key in keys) == 1
    assert made.secrets[1].startswith("whsk_")


async def test_a_secret_that_was_agreed_elsewhere_is_taken_over(business):
    agreed = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    made = await business.add(URL, signing=Signing(secret=agreed))
    assert made.secrets == (agreed,)
    with pytest.raises(SecretMalformed):
        await business.add(URL, signing=Signing(secret="hunter2"))
    with pytest.raises(SecretMalformed, match="v1a"):
        await business.add(URL, signing=Signing((SignatureScheme.V1A,), agreed))
    with pytest.raises(SchemeMissing):
        await business.add(URL, signing=Signing(()))


async def test_only_so_many_secrets_sign_beside_each_other(business):
    made = await business.add(URL)

    async def rotate(hours):
        return await business.do(
            lambda ctx: service.rotate(ctx, made.endpoint.id, overlap_hours=hours)
        )

    for _ in range(3):
        await rotate(24)
    with pytest.raises(SecretsTooMany):
        await rotate(24)
    for hours in (-1, 169):
        with pytest.raises(OutOfRange, match="overlap_hours"):
            await rotate(hours)


@pytest.mark.parametrize(
    "patterns",
    [
        [],
        ["billing.*"] * (PATTERNS_MAX + 1),
        ["billing"],
        ["billing.period_closed"],
        ["Billing.period_closed.v1"],
        ["billing.period_*"],
        ["*.v1"],
        ["biling.*"],
        ["billing.period_closed.v99"],
        ["payments.webhooks_received.v1"],
        ["x" * 200],
        [""],
    ],
)
async def test_patterns_that_mean_no_event_are_refused(business, patterns):
    wanted = service.Wanted(URL, tuple(patterns))
    with pytest.raises(PatternInvalid, match="event_types"):
        await business.do(lambda ctx: service.create(ctx, wanted, guard=LOOPBACK))


def test_our_own_inbox_is_nobodys_business():
    types = known_types()
    assert TYPE in types
    assert "payments.webhooks_received.v1" not in types
    assert "webhooks.endpoint_disabled.v1" in types


@given(st.sampled_from(known_types()))
def test_each_type_is_meant_by_its_module_by_all_and_by_itself(event_type):
    module = event_type.partition(".")[0]
    for pattern in ("*", f"{module}.*", event_type, event_type.rpartition(".")[0] + ".*"):
        assert matches(pattern, event_type)
    assert not matches("nobody.*", event_type)
    assert not matches(module + "x.*", event_type)


async def test_changing_an_endpoint_refuses_what_making_one_refuses(business, receiver):
    made = await business.add(receiver.url)
    held = service.wanted_of(made.endpoint)

    async def change(**other):
        wanted = replace(held, **other)
        return await business.do(
            lambda ctx: service.update(ctx, made.endpoint.id, wanted, guard=LOOPBACK)
        )

    for bad, error in (
        ({"url": "ftp://x"}, UrlInvalid),
        ({"description": "x" * 501}, OutOfRange),
        ({"order_wait_s": -1}, OutOfRange),
        ({"order_wait_s": 700_000}, OutOfRange),
        ({"event_types": ()}, PatternInvalid),
    ):
        with pytest.raises(error):
            await change(**bad)
    assert await business.fresh(made.endpoint) == made.endpoint
    changed = await change(description="billing of the shop", event_types=("billing.*",))
    assert (changed.description, changed.event_types) == ("billing of the shop", ("billing.*",))
    assert await business.audited("webhooks.endpoint_changed") == [made.endpoint.id]


async def test_a_tenant_has_so_many_endpoints_and_no_more(business):
    for _ in range(ENDPOINTS_MAX):
        await business.add(URL)
    with pytest.raises(EndpointsTooMany):
        await business.add(URL)


async def test_what_is_done_is_audited(business):
    made = await business.add(URL)
    name = made.endpoint.id
    await business.do(lambda ctx: service.rotate(ctx, name))
    await business.do(lambda ctx: service.disable(ctx, name, reason="moving house"))
    await business.do(lambda ctx: service.disable(ctx, name))
    await business.do(lambda ctx: service.enable(ctx, name))
    await business.do(lambda ctx: service.send_test(ctx, name))
    await business.do(lambda ctx: service.remove(ctx, name))
    for action in ("created", "disabled", "enabled", "tested", "removed"):
        assert await business.audited(f"webhooks.endpoint_{action}") == [name], action
    assert await business.audited("webhooks.secret_rotated") == [name]
    with pytest.raises(EndpointNotFound):
        await business.fresh(made.endpoint)


async def test_secrets_end_by_real_time_where_a_test_clock_stands(business):
    made = await business.add(URL)
    rotated = await business.do(lambda ctx: service.rotate(ctx, made.endpoint.id))
    ends = next(one.not_after for one in rotated.endpoint.secrets if one.not_after)
    assert timedelta(hours=23) < ends - business.clock.now() < timedelta(hours=25)
