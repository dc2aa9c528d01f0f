"""Does the chaos kit tell a good handler from a bad one?"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from solvent.kit.clock import SystemClock
from solvent.systems.webhooks.chaos import SCENARIOS, ChaosUrlInvalid, Handler, run_chaos
from solvent.systems.webhooks.rules.signature import is_signed_by
from solvent.systems.webhooks.testing import TYPE, Reply, open_receiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Shop:
    """A founder's handler as the documentation shows it: check, deduplicate, apply."""

    def __init__(self):
        self.applied = []
        self.known = set()

    def check(self, received):
        return is_signed_by(received.headers, received.body, SECRET, at=SystemClock().now())

    def is_new(self, received):
        return received.id not in self.known

    async def __call__(self, received):
        if received.path == "/effects":
            return Reply(200, {}, str(len(self.applied)).encode())
        if not self.check(received):
            return Reply(401)
        if self.is_new(received) and received.told["type"] == TYPE:
            self.applied.append(received.id)
        self.known.add(received.id)
        return Reply(204)


class ByTheLibrary(Shop):
    """It checks by the official library, and takes whatever that raises for a refusal."""

    def check(self, received):
        try:
            Webhook(SECRET).verify(received.body, received.headers)
        except (WebhookVerificationError, ValueError):
            return False
        return True


class ByTheLibraryAlone(Shop):
    """It expects that the library raises nothing but its own error; it splits odd headers badly."""

    async def __call__(self, received):
        try:
            return await super().__call__(received)
        except ValueError:
            return Reply(500)

    def check(self, received):
        try:
            Webhook(SECRET).verify(received.body, received.headers)
        except WebhookVerificationError:
            return False
        return True


class Forgetful(Shop):
    """It applies every duplicate."""

    def is_new(self, received):
        return True


class Trusting(Shop):
    """It believes everybody."""

    def check(self, received):
        return True


class Timeless(Shop):
    """It looks at no time, and at one signature."""

    def check(self, received):
        headers = received.headers
        content = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.".encode()
        secret = base64.b64decode(SECRET.removeprefix("whsec_"))
        raw = hmac.new(secret, content + received.body, hashlib.sha256).digest()
        return headers.get("webhook-signature") == "v1," + base64.b64encode(raw).decode()


class Reserializing(Shop):
    """It checks what it has parsed and dumped again."""

    def check(self, received):
        body = json.dumps(received.told, ensure_ascii=False, separators=(",", ":")).encode()
        return is_signed_by(received.headers, body, SECRET, at=SystemClock().now())


class Fragile(Shop):
    """It fails where a header is odd."""

    async def __call__(self, received):
        if received.path != "/effects" and not received.headers.get("webhook-id"):
            return Reply(500)
        return await super().__call__(received)


async def failed_by(shop, *, effects=True):
    async with open_receiver(shop) as receiver:
        counted = receiver.url.replace("/hooks", "/effects") if effects else None
        handler = Handler(receiver.url, SECRET, TYPE, {"amount_minor": 5}, counted)
        verdicts = await run_chaos(handler)
    assert len(verdicts) == len(SCENARIOS) + 1
    return {one.name for one in verdicts if one.survived is False}


@pytest.mark.parametrize("kind", [Shop, ByTheLibrary])
async def test_a_good_handler_survives_it_all(kind):
    assert await failed_by(kind()) == set()


@pytest.mark.parametrize(
    "kind, expected",
    [
        (
            Forgetful,
            {"the same request twice", "a retry, signed anew", "5 duplicates at once"},
        ),
        (
            Trusting,
            {
                "signed by a stranger",
                "changed after it was signed",
                "under another id",
                "headers missing",
                "of an unknown scheme alone",
                "6 minutes old",
                "6 minutes in the future",
                "old, with a new time",
                "garbage in the headers",
            },
        ),
        (
            Timeless,
            {
                "6 minutes old",
                "6 minutes in the future",
                "a secret being rotated",
                "signatures of other schemes beside",
            },
        ),
        (Reserializing, {"JSON in odd bytes", "changed after it was signed"}),
        (Fragile, {"headers missing"}),
        (ByTheLibraryAlone, {"garbage in the headers"}),
    ],
)
async def test_a_bad_handler_is_told_what_it_fails_at(kind, expected):
    assert await failed_by(kind()) == expected


async def test_without_a_count_duplicates_cannot_be_told_apart():
    assert await failed_by(Forgetful(), effects=False) == set()


async def test_nobody_answering_survives_nothing():
    async with open_receiver() as gone:
        url = gone.url
    verdicts = await run_chaos(Handler(url, SECRET, TYPE, {}))
    assert all(one.survived is False for one in verdicts[:-1])
    assert (verdicts[-1].survived, verdicts[-1].grade) == (None, "?")


async def test_what_cannot_be_run_is_named():
    with pytest.raises(ChaosUrlInvalid, match="url"):
        await run_chaos(Handler("127.0.0.1:8000", SECRET, TYPE, {}))
    async with open_receiver() as receiver:
        with pytest.raises(ChaosUrlInvalid, match="--effects"):
            await run_chaos(Handler(receiver.url, SECRET, TYPE, {}, receiver.url))


async def test_it_runs_at_a_terminal_without_any_engine(solvent, tmp_path):
    data = tmp_path / "data.json"
    data.write_text('{"amount_minor": 5}')
    with ThreadPoolExecutor(1) as thread:
        for shop, code in ((Shop(), 0), (Trusting(), 1)):
            async with open_receiver(shop) as receiver:
                told = ("--secret", SECRET, "--type", TYPE, "--data", str(data), "--json")
                ran = thread.submit(solvent, "webhook", "chaos", receiver.url, *told)
                ended, out, _ = await asyncio.wrap_future(ran)
                assert ended == code
                assert len(json.loads(out)) == len(SCENARIOS) + 1


@pytest.mark.parametrize(
    "arguments, named",
    [
        (("not-a-url", "--secret", SECRET), "url"),
        (("http://127.0.0.1:1/", "--secret", "hunter2"), "secret"),
        (("http://127.0.0.1:1/", "--secret", SECRET, "--data", "{file}"), "object"),
    ],
)
def test_bad_input_exits_2(solvent, tmp_path, arguments, named):
    file = tmp_path / "list.json"
    file.write_text("[1]")
    code, _, told = solvent("webhook", "chaos", *(one.format(file=file) for one in arguments))
    assert (code, named in told) == (2, True)
