"""Do the pages on moving in hold what works, from the first line to the last?"""

from __future__ import annotations

import asyncio
import re
import shlex
from pathlib import Path

import pytest

from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.service import create_business
from solvent.systems.doors.testing import Business

PAGES = Path(__file__).resolve().parents[3] / "docs/howto"
BLOCK = re.compile(r"^```(console|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
async def shop(house) -> Business:
    """A business in real time, where the pages are followed."""
    slug = "h-" + house.edge.ids.new("tmp")[-20:]
    made = await create_business(house.edge, name="Shop", slug=slug)
    return Business(house.edge, made.live.id)


async def follow(page: str, shop: Business, server_url: str, solvent, monkeypatch) -> None:
    """Type every command and run every sample of a page, in their order."""
    slug = (await shop.do(tenants.current)).slug
    monkeypatch.setenv("SOLVENT_TENANT", slug)
    key, names = await shop.key(), {}
    for language, code in BLOCK.findall((PAGES / page).read_text(encoding="utf-8")):
        if language == "console":
            for line in code.splitlines():
                await asyncio.to_thread(solvent.ok, *shlex.split(line)[1:])
        else:
            told = code.replace("http://localhost:8080", server_url).replace("sk_live_…", key)
            await asyncio.to_thread(exec, compile(told, page, "exec"), names)


async def test_the_page_on_lago(shop, server_url, solvent, monkeypatch):
    await follow("move-from-lago.md", shop, server_url, solvent, monkeypatch)
    assert await shop.used("api_calls") == 5


async def test_the_page_on_openmeter(shop, server_url, solvent, monkeypatch, capsys):
    await follow("move-from-openmeter.md", shop, server_url, solvent, monkeypatch)
    assert (await shop.used("tokens_total"), await shop.used("prompts")) == (600, 3)


async def test_the_page_on_stripe(shop, server_url, solvent, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "customers.csv").write_text("cus_2,globex\n", encoding="utf-8")
    await follow("keep-stripe-meter-events.md", shop, server_url, solvent, monkeypatch)
    assert await shop.used("tokens") == 27
