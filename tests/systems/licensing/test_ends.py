"""What ends a license, and how long does a file outlive it?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from solvent.kernel.signing import service as signing
from solvent.kit.errors import SolventError
from solvent.systems.licensing import service
from solvent.systems.licensing.errors import (
    LicenseExpired,
    LicenseRevoked,
    LicenseSuspended,
)
from solvent.systems.licensing.model import RING
from solvent.systems.licensing.rules.reason import Reason
from solvent.systems.licensing.testing import Seller

NEVER = 10_000


async def refused(call) -> str:
    """Return the code of what a call is refused with."""
    with pytest.raises(SolventError) as told:
        await call
    return told.value.code


# ------------------------------------------------------------------------------------------- an end


async def test_an_offline_file_outlives_a_refund_by_at_most_its_life(seller: Seller) -> None:
    issued = await seller.sell(file_days=30)
    answer = await seller.activate("laptop")
    await seller.pass_time(days=1)
    await seller.do(lambda ctx: service.revoke(ctx, issued.license.id, reason="refunded"))
    assert await refused(seller.renew(answer.activation_id)) == LicenseRevoked.code
    assert await refused(seller.activate("laptop")) == LicenseRevoked.code
    assert (await seller.judge(answer.text, "laptop")).valid
    await seller.pass_time(days=29)
    listed = await seller.revocations()
    refusal = await seller.judge(answer.text, "laptop", revocations=listed)
    assert refusal.reason is Reason.LICENSE_REVOKED
    assert (await seller.judge(answer.text, "laptop")).valid
    await seller.pass_time(seconds=1)
    assert (await seller.judge(answer.text, "laptop")).reason is Reason.FILE_EXPIRED


async def test_a_revoked_license_stays_so_and_a_suspended_one_comes_back(seller: Seller) -> None:
    issued = await seller.sell()
    license_id = issued.license.id
    await seller.do(lambda ctx: service.suspend(ctx, license_id, reason="late"))
    assert await refused(seller.activate("laptop")) == LicenseSuspended.code
    await seller.do(lambda ctx: service.reinstate(ctx, license_id))
    await seller.activate("laptop")
    await seller.do(lambda ctx: service.revoke(ctx, license_id, reason="fraud"))
    call = seller.do(lambda ctx: service.reinstate(ctx, license_id))
    assert await refused(call) == "licensing.license_final"


async def test_an_expiry_is_inclusive_to_the_second(seller: Seller) -> None:
    await seller.sell(days=10, limit=5)
    await seller.pass_time(days=10, milliseconds=999)
    answer = await seller.activate("laptop")
    assert (await seller.judge(answer.text, "laptop")).valid
    await seller.pass_time(milliseconds=1)
    assert (await seller.judge(answer.text, "laptop")).reason is Reason.FILE_EXPIRED
    assert await refused(seller.activate("desktop")) == LicenseExpired.code


async def test_a_file_ends_with_its_license(seller: Seller) -> None:
    await seller.sell(days=10, file_days=30)
    answer = await seller.activate("laptop")
    verdict = await seller.judge(answer.text, "laptop")
    assert verdict.contents.file_expiry == seller.now + timedelta(days=10)


async def test_after_a_rotation_old_files_are_valid_and_new_ones_of_the_new_key(
    seller: Seller,
) -> None:
    await seller.sell(limit=5)
    old = await seller.activate("laptop")
    (old_key,) = await seller.public_keys()
    await seller.do(lambda ctx: signing.rotate(ctx, ring=RING))
    new = await seller.activate("desktop")
    new_key, still = await seller.public_keys()
    assert still == old_key
    kept, made = await seller.judge(old.text, "laptop"), await seller.judge(new.text, "desktop")
    assert kept.valid
    assert made.valid
    assert kept.contents.extra.kid != made.contents.extra.kid
    assert (await seller.judge(new.text, "desktop", public_keys=[new_key])).valid
    by_old = await seller.judge(new.text, "desktop", public_keys=[old_key])
    assert by_old.reason is Reason.FOREIGN


async def test_maintenance_covers_what_came_out_while_it_lasted(seller: Seller) -> None:
    await seller.sell(maintenance_days=365)
    for version, days in (("1.0", -100), ("1.1", 100), ("2.0", 400)):
        moment = seller.now + timedelta(days=days)
        await seller.do(
            lambda ctx, version=version, moment=moment: service.add_release(
                ctx, product="mytool", version=version, released_at=moment
            )
        )
    await seller.pass_time(days=500)
    answer = await seller.activate("laptop")
    verdict = await seller.judge(
        answer.text, "laptop", released_at=seller.now - timedelta(days=400)
    )
    assert verdict.valid
    assert verdict.contents.extra.fallback_version == "1.1"
    newer = await seller.judge(answer.text, "laptop", released_at=seller.now - timedelta(days=100))
    assert newer.reason is Reason.RELEASE_NOT_COVERED
