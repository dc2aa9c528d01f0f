"""Who may do what to whom among the people of a business: Alice, Bob, Charlie and Mallory?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from solvent.kernel.audit import service as audit
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.errors import (
    EmailInvalid,
    LastOwner,
    MemberExists,
    MemberUnknown,
    NotInLiveMode,
    OwnerNeeded,
)
from solvent.kernel.tenants.model import Role
from solvent.kernel.tenants.rules.scopes import SCOPES_OF_ROLE
from solvent.kit.ctx import OPERATOR, Actor, ScopeMissing


@dataclass(frozen=True, slots=True)
class People:
    """A business with an owner, an admin, a developer and a viewer, and another one's owner."""

    alice: str
    bob: str
    dora: str
    charlie: str
    mallory: str


def acting(member_id: str, role: Role) -> Actor:
    return Actor("member", member_id, SCOPES_OF_ROLE[role])


@pytest.fixture
async def people(edge, business, mallorys) -> People:
    ids = []
    async with edge.open(business.live.id, OPERATOR) as ctx:
        for name, role in (("bob", Role.ADMIN), ("dora", Role.DEVELOPER), ("charlie", Role.VIEWER)):
            ids.append((await tenants.add_member(ctx, email=f"{name}@b.example", role=role)).id)
    return People(business.owner.id, *ids, mallorys.owner.id)


@pytest.fixture
def acts_as(edge, business):
    """Run a use case as a member of the business in a role."""

    async def run(acting_role: Role, use_case, /, *args, **told):
        async with edge.open(business.live.id, acting("mem_x", acting_role)) as ctx:
            return await use_case(ctx, *args, **told)

    return run


async def test_alice_the_owner_may_everything(acts_as, people) -> None:
    added = await acts_as(Role.OWNER, tenants.add_member, email="eve@b.example", role=Role.OWNER)
    changed = await acts_as(Role.OWNER, tenants.change_member, people.bob, role=Role.OWNER)
    assert changed.role is Role.OWNER
    await acts_as(Role.OWNER, tenants.remove_member, added.id)
    assert len(await acts_as(Role.OWNER, tenants.list_members)) == 4


async def test_bob_the_admin_manages_all_but_owners(acts_as, people) -> None:
    added = await acts_as(Role.ADMIN, tenants.add_member, email="eve@b.example", role=Role.ADMIN)
    await acts_as(Role.ADMIN, tenants.change_member, people.charlie, role=Role.DEVELOPER)
    await acts_as(Role.ADMIN, tenants.remove_member, added.id)


async def test_owners_only_by_owners(acts_as, people) -> None:
    refused = [
        (tenants.add_member, (), {"email": "eve@b.example", "role": Role.OWNER}),
        (tenants.change_member, (people.charlie,), {"role": Role.OWNER}),
        (tenants.change_member, (people.alice,), {"role": Role.VIEWER}),
        (tenants.change_member, (people.alice,), {"name": "Mallory"}),
        (tenants.remove_member, (people.alice,), {}),
    ]
    for use_case, args, told in refused:
        with pytest.raises(OwnerNeeded):
            await acts_as(Role.ADMIN, use_case, *args, **told)


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER])
async def test_dora_and_charlie_look_on(acts_as, people, role) -> None:
    assert len(await acts_as(role, tenants.list_members)) == 4
    refused = [
        (tenants.add_member, (), {"email": "eve@b.example", "role": Role.VIEWER}),
        (tenants.change_member, (people.bob,), {"name": "x"}),
        (tenants.remove_member, (people.bob,), {}),
        (tenants.create_sign_in_link, (people.bob,), {}),
    ]
    for use_case, args, told in refused:
        with pytest.raises(ScopeMissing):
            await acts_as(role, use_case, *args, **told)


async def test_mallory_is_no_member_here(acts_as, people) -> None:
    refused = [
        (tenants.get_member, (people.mallory,), {}),
        (tenants.change_member, (people.mallory,), {"role": Role.OWNER}),
        (tenants.remove_member, (people.mallory,), {}),
        (tenants.create_sign_in_link, (people.mallory,), {}),
    ]
    for use_case, args, told in refused:
        with pytest.raises(MemberUnknown):
            await acts_as(Role.OWNER, use_case, *args, **told)
    assert people.mallory not in str(await acts_as(Role.OWNER, tenants.list_members))


async def test_one_owner_stays(edge, business, acts_as, people) -> None:
    """Nor do two owners who remove each other at the same moment leave none behind."""
    with pytest.raises(LastOwner):
        await acts_as(Role.OWNER, tenants.remove_member, people.alice)
    with pytest.raises(LastOwner):
        await acts_as(Role.OWNER, tenants.change_member, people.alice, role=Role.ADMIN)
    await acts_as(Role.OWNER, tenants.change_member, people.bob, role=Role.OWNER)
    ended = await asyncio.gather(
        acts_as(Role.OWNER, tenants.remove_member, people.alice),
        acts_as(Role.OWNER, tenants.remove_member, people.bob),
        return_exceptions=True,
    )
    assert sorted(type(end).__name__ for end in ended) == ["LastOwner", "NoneType"]


async def test_an_address_is_one_member(acts_as, people) -> None:
    with pytest.raises(MemberExists):
        await acts_as(Role.OWNER, tenants.add_member, email="BOB@b.example", role=Role.VIEWER)
    with pytest.raises(EmailInvalid):
        await acts_as(Role.OWNER, tenants.add_member, email="bob", role=Role.VIEWER)


async def test_members_are_the_live_tenants(edge, business) -> None:
    async with edge.open(business.test.id, OPERATOR) as ctx:
        for use_case in (
            tenants.list_members(ctx),
            tenants.get_member(ctx, business.owner.id),
            tenants.add_member(ctx, email="a@b.example", role=Role.VIEWER),
            tenants.remove_member(ctx, business.owner.id),
        ):
            with pytest.raises(NotInLiveMode):
                await use_case


async def test_member_changes_are_recorded(edge, business, acts_as, people) -> None:
    await acts_as(Role.OWNER, tenants.change_member, people.bob, role=Role.VIEWER)
    await acts_as(Role.OWNER, tenants.remove_member, people.bob)
    async with edge.open(business.live.id, OPERATOR) as ctx:
        found = await audit.list_records(ctx, subject=people.bob)
    assert [record.entry.action.removeprefix("tenants.") for record in found] == [
        "member_removed",
        "member_changed",
        "member_added",
    ]
    assert found[1].entry.data == {"role_before": "admin", "role_after": "viewer"}
    assert "b.example" not in str(found)


async def test_members_over_http(owner) -> None:
    asked = {"email": "bob@http.example", "role": "developer", "name": "Bob"}
    made = await owner("POST", "/members", json=asked)
    assert made.status_code == 201
    path = f"/members/{made.json()['id']}"
    changed = await owner("PATCH", path, json={"role": "viewer"})
    assert (changed.json()["role"], changed.json()["name"]) == ("viewer", "Bob")
    assert (await owner("GET", path)).json() == changed.json()
    assert (await owner("DELETE", path)).status_code == 204
    assert (await owner("GET", path)).status_code == 404
    refused = await owner("POST", "/members", json=asked | {"role": "emperor"})
    assert (refused.status_code, refused.json()["field"]) == (400, "role")
    refused = await owner("POST", "/members", json=asked | {"is_admin": True})
    assert refused.status_code == 400
