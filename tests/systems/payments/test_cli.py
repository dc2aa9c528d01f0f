"""Does the terminal connect, list, rotate and replay, and say what was wrong with its input?"""

import asyncio
import contextlib
import json

import pytest
from typer.testing import CliRunner

from solvent.app.cli import EngineDoor
from solvent.app.house import open_house
from solvent.app.settings import Settings
from solvent.kit.cli import use_opener
from solvent.kit.errors import SolventError
from solvent.systems.payments.cli import app
from solvent.systems.payments.model import Provider
from solvent.systems.payments.service import accounts

SECRET = "whsec_cli_0123456789abcdef"


@pytest.fixture
def solvent(shop, engines):
    """Run `solvent payments …` on the shop, as a process beside the server would."""

    @contextlib.asynccontextmanager
    async def opener():
        vault = shop.house.edge.vault
        async with open_house(engines.access, Settings(), vault=vault, name="cli") as house:
            yield EngineDoor(house.edge)

    use_opener(opener)

    async def run(*words):
        words = [*words, "--tenant", shop.tenant.slug]
        return await asyncio.to_thread(CliRunner().invoke, app, words)

    return run


async def test_connect_and_list(solvent, tmp_path):
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    done = await solvent("connect", "stripe", "--webhook-secret-file", str(file))
    assert done.exit_code == 0, done.output
    listed = json.loads((await solvent("list", "--json")).output)
    assert [one["provider"] for one in listed] == ["paddle", "stripe"]
    assert [len(one["secrets"]) for one in listed] == [1, 2]
    assert SECRET not in json.dumps(listed)


async def test_rotate(solvent):
    done = await solvent("rotate-secret", "stripe", "--webhook-secret", SECRET, "--json")
    assert done.exit_code == 0, done.output
    ends = [one["not_after"] for one in json.loads(done.output)["secrets"]]
    assert ends.count(None) == 1
    none = await solvent("rotate-secret", "stripe")
    assert none.exit_code == 2


async def test_a_rotation_is_tried_dry(solvent):
    before = json.loads((await solvent("list", "--json")).output)
    done = await solvent("rotate-secret", "stripe", "--webhook-secret", SECRET, "--dry-run")
    assert (done.exit_code, "dry run: nothing was kept" in done.output) == (0, True)
    assert json.loads((await solvent("list", "--json")).output) == before


async def test_an_account_without_secrets_gets_a_hint(solvent, shop):
    async with shop.open() as ctx:
        await accounts.disconnect(ctx, Provider.STRIPE)
    bare = await solvent("connect", "stripe")
    assert bare.exit_code == 0, bare.output
    assert "every webhook is refused" in bare.output
    assert "solvent payments connect stripe --webhook-secret-file FILE" in bare.output
    assert "no checkout can be made" in bare.output
    half = await solvent("connect", "stripe", "--webhook-secret", SECRET)
    assert "every webhook is refused" not in half.output
    whole = await solvent("connect", "stripe", "--api-key", "sk_test_0123456789")
    assert "is known, so" not in whole.output


@pytest.mark.parametrize(
    "words,code",
    [
        (["connect", "stripe", "--webhook-secret", "hunter2"], "payments.secret_malformed"),
        (["connect", "stripe", "--webhook-secret-file", "/nowhere"], "kit.config_invalid"),
        (["connect", "paddle", "--window-s", "0"], "payments.window_out_of_range"),
        (["replay", "evt_none"], "payments.event_not_found"),
        (["rotate-secret", "stripe", "--webhook-secret", SECRET, "--overlap-hours", "999"], None),
    ],
)
async def test_wrong_input_is_told(solvent, words, code):
    done = await solvent(*words)
    assert isinstance(done.exception, SolventError)
    assert code is None or done.exception.code == code


@pytest.mark.parametrize("words", [["connect", "square"], ["replay"], ["inbox", "--state", "odd"]])
async def test_usage_errors_exit_2(solvent, words):
    assert (await solvent(*words)).exit_code == 2


async def test_inbox_and_replay(solvent, shop):
    event = {
        "id": "evt_1",
        "type": "invoice.paid",
        "created": 1,
        "data": {"object": {"id": "in_1"}},
    }
    await shop.post(json.dumps(event).encode())
    await shop.work()
    listed = json.loads((await solvent("inbox", "--state", "failed", "--json")).output)
    assert [one["provider_event_id"] for one in listed] == ["evt_1"]
    assert listed[0]["reason"].startswith("payments.event_malformed")
    assert "1 to be tried again" in (await solvent("replay", "--all-failed")).output
    assert "1 to be tried again" in (await solvent("replay", "evt_1")).output
    assert (await solvent("disconnect", "paddle")).exit_code == 0
