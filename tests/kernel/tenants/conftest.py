"""What do the tests of tenants share: businesses, and callers with their keys?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import httpx
import pytest

from solvent.app.house import House
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.model import NewBusiness
from solvent.kit.ctx import OPERATOR, Edge


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody at the API, with whatever they send along."""

    http: httpx.AsyncClient
    headers: dict[str, str]

    async def __call__(self, method: str, path: str, **options) -> httpx.Response:
        headers = self.headers | options.pop("headers", {})
        return await self.http.request(method, f"/v1{path}", headers=headers, **options)


@pytest.fixture
async def http(app) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


@pytest.fixture
def caller(http) -> Callable[[str | None], Caller]:
    def make(bearer: str | None) -> Caller:
        return Caller(http, {"authorization": f"Bearer {bearer}"} if bearer else {})

    return make


def fresh_slug(edge: Edge) -> str:
    return "b-" + edge.ids.new("tmp")[-20:]


async def make_business(house: House) -> NewBusiness:
    slug = fresh_slug(house.edge)
    return await tenants.create_business(
        house.edge, name="Acme", slug=slug, owner_email=f"alice@{slug}.example"
    )


@pytest.fixture
async def business(house) -> NewBusiness:
    return await make_business(house)


@pytest.fixture
async def mallorys(house) -> NewBusiness:
    return await make_business(house)


@pytest.fixture
def owner(business, caller) -> Caller:
    """Whoever holds the first secret key of the live tenant."""
    return caller(first_key(business, "sk_live"))


@pytest.fixture
def tester(business, caller) -> Caller:
    """Whoever holds the first secret key of the test twin."""
    return caller(first_key(business, "sk_test"))


@pytest.fixture
def mallory(mallorys, caller) -> Caller:
    """Another business's owner."""
    return caller(first_key(mallorys, "sk_live"))


@pytest.fixture
def key_with(edge, business, caller):
    """Return a caller with a live key of just these scopes."""

    async def make(*scopes: str) -> Caller:
        async with edge.open(business.live.id, OPERATOR) as ctx:
            issued = await tenants.issue_key(ctx, name="narrow", asked_scopes=scopes)
        return caller(issued.text)

    return make


@pytest.fixture
def key_of():
    """Return a business's first key of a kind and mode, by its beginning: `sk_live`."""
    return first_key


def first_key(business: NewBusiness, start: str) -> str:
    return next(issued.text for issued in business.keys if issued.text.startswith(start))
