"""Can somebody without our server tell that a chain is whole, and whose it is?"""

from __future__ import annotations

import json

import pytest

from solvent.kernel.audit import proof
from solvent.kernel.audit import service as audit
from solvent.kernel.audit.errors import ProofUnreadable
from solvent.kernel.audit.model import Why
from solvent.kernel.tenants.proof import TenantHeadSigner
from solvent.kit.ctx import OPERATOR

SIGNER = TenantHeadSigner()


async def proof_of(edge, tenant_id, *, records: int = 4) -> list[str]:
    lines: list[str] = []
    async with edge.open(tenant_id, OPERATOR) as ctx:
        for number in range(records):
            audit.record(ctx, action="tests.thing_done", subject="thing", data={"n": number})
    async with edge.open(tenant_id, OPERATOR) as ctx:
        await audit.write_proof(ctx, SIGNER, lines.append)
    return lines


@pytest.fixture
async def lines(edge, tenant_id) -> list[str]:
    return await proof_of(edge, tenant_id)


def check(lines: list[str], *, public_key: str | None = None):
    return proof.verify_lines(lines, verifies=SIGNER.verifies, public_key=public_key)


def signing_key(lines: list[str]) -> str:
    return json.loads(lines[-1])["signature"]["public_key"]


async def test_exported_proof_verifies_alone(lines, tenant_id) -> None:
    report = check(lines, public_key=signing_key(lines))
    assert report.ok, report.flaw
    assert (report.tenant_id, report.checked) == (tenant_id, len(lines) - 2)


async def test_lines_may_end_as_files_end_them(lines) -> None:
    assert check([line + "\n" for line in lines]).ok


async def test_another_tenants_key_is_not_the_expected_one(lines, edge, mallory_id) -> None:
    theirs = signing_key(await proof_of(edge, mallory_id))
    flaw = check(lines, public_key=theirs).flaw
    assert flaw.why is Why.BAD_SIGNATURE


async def test_a_head_signed_for_one_tenant_is_no_other_tenants(lines, edge, mallory_id) -> None:
    theirs = await proof_of(edge, mallory_id)
    assert check([theirs[0], *lines[1:]]).flaw.why is Why.HASH_MISMATCH
    assert check([*theirs[:-1], lines[-1]]).flaw is not None


CUTS = {
    "without its head": (lambda lines: lines[:-1], Why.MISSING_HEAD),
    "without its tail": (lambda lines: [*lines[:-2], lines[-1]], Why.TRUNCATED_TAIL),
    "without a middle": (lambda lines: [*lines[:2], *lines[3:]], Why.GAP),
    "with a line twice": (lambda lines: [*lines[:3], *lines[2:]], Why.GAP),
    "with more behind": (lambda lines: [*lines, lines[1]], Why.BEYOND_HEAD),
    "with a line of noise": (lambda lines: [*lines[:2], "{", *lines[2:]], Why.UNREADABLE),
    "with a deep line": (lambda lines: [lines[0], "[" * 100_000, *lines[1:]], Why.UNREADABLE),
}


@pytest.mark.parametrize("cut", CUTS)
async def test_a_cut_proof_is_not_whole(lines, cut) -> None:
    change, why = CUTS[cut]
    assert check(change(lines)).flaw.why is why


@pytest.mark.parametrize("first", ["", "{}", "[]", "null", '{"kind":"audit_proof","version":2}'])
def test_a_file_that_is_no_proof_says_so(first) -> None:
    with pytest.raises(ProofUnreadable):
        check([first])


def test_no_file_at_all_says_so() -> None:
    with pytest.raises(ProofUnreadable):
        check([])


async def test_no_byte_of_a_proof_can_change(lines) -> None:
    """Every single changed byte is seen; only the key's name, which nothing rests on, is free."""
    whole = "\n".join(lines)
    kid = json.loads(lines[-1])["signature"]["kid"]
    free = range(whole.rindex(kid), whole.rindex(kid) + len(kid))
    unseen = [place for place in range(len(whole)) if place not in free and passes(whole, place)]
    assert not unseen, [whole[place - 20 : place + 20] for place in unseen]


def passes(whole: str, place: int) -> bool:
    changed = whole[:place] + chr(ord(whole[place]) ^ 1) + whole[place + 1 :]
    try:
        return check(changed.split("\n")).ok
    except ProofUnreadable:
        return False


async def test_an_empty_chain_has_a_proof(edge) -> None:
    from solvent.kit.ids import TenantId

    nobody, lines = TenantId(edge.ids.new("ten")), []
    async with edge.open(nobody, OPERATOR) as ctx:
        await audit.write_proof(ctx, SIGNER, lines.append)
    report = check(lines)
    assert (report.ok, report.checked) == (True, 0)
