"""Do the commands of webhooks say what happened, and exit as they should?"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from solvent.kernel.tenants import service as tenants

URL = "https://hooks.example.com/solvent"


@pytest.fixture
async def slug(business):
    """The business's name at a terminal."""
    return (await business.do(tenants.current)).slug


@pytest.fixture
def run(solvent, slug):
    """Run `solvent webhook …` for the business; return the exit code, the output, the errors."""

    def at_terminal(*arguments):
        return solvent("webhook", *arguments, "--tenant", slug)

    return at_terminal


def ok(run, *arguments):
    code, out, told = run(*arguments)
    assert code == 0, told
    return out


def add(run, *arguments):
    return json.loads(ok(run, "endpoint", "add", URL, *arguments, "--json"))


def test_the_life_of_an_endpoint_at_a_terminal(run):
    made = add(run, "--type", "billing.*", "--ordered", "--scheme", "v1", "--scheme", "v1a")
    name = made["id"]
    assert made["order_wait_s"] == 600
    assert [one[:6] for one in made["new_secrets"]] == [
        "whsec_",
        "whsk_" + made["new_secrets"][1][5],
    ]
    shown = ok(run, "endpoint", "show", name)
    assert "whpk_" in shown
    assert made["new_secrets"][0] not in shown
    assert "kept; one that fails holds up the others for 30 s" in ok(
        run, "endpoint", "change", name, "--order-wait", "30", "--description", "books"
    )
    assert "any" in ok(run, "endpoint", "change", name, "--unordered")
    rotated = json.loads(ok(run, "endpoint", "rotate", name, "--json"))
    assert rotated["new_secrets"][0].startswith("whsec_")
    assert "disabled (moving)" in ok(run, "endpoint", "disable", name, "--reason", "moving")
    assert "good" in ok(run, "endpoint", "enable", name)
    assert name in ok(run, "endpoint", "list")
    code, _, told = run("endpoint", "remove", name, "--dry-run")
    assert (code, "nothing was kept" in told) == (0, True)
    ok(run, "endpoint", "remove", name)
    code, _, told = run("endpoint", "show", name)
    assert (code, "no such webhook endpoint" in told) == (1, True)


def test_an_empty_list_says_how_to_begin(run):
    code, out, told = run("endpoint", "list")
    assert (code, out) == (0, "")
    assert "solvent webhook endpoint add" in told
    assert "billing.period_closed.v1" in ok(run, "types").splitlines()


@pytest.mark.parametrize(
    "arguments, named",
    [
        (("endpoint", "add", "http://example.com/"), "url"),
        (("endpoint", "add", "https://10.0.0.1/"), "url"),
        (("endpoint", "add", URL, "--type", "biling.*"), "event_types"),
        (("endpoint", "add", URL, "--secret", "x"), "secret"),
        (("endpoint", "add", URL, "--unordered", "--order-wait", "5"), "--order-wait"),
        (("messages", "--state", "failed"), "--state"),
        (("replay", "whe_x", "--message", "msg_x", "--dry-run"), "--message"),
        (("replay", "whe_x", "--since", "yesterday"), "--since"),
    ],
)
def test_bad_input_exits_2_and_names_it(run, arguments, named):
    code, out, told = run(*arguments)
    assert (code, out) == (2, "")
    assert named in told
    assert ok(run, "endpoint", "list", "--json").strip() == "[]"


def test_a_dry_run_of_add_keeps_nothing(run):
    code, _, told = run("endpoint", "add", URL, "--dry-run")
    assert (code, "nothing was kept" in told) == (0, True)
    assert ok(run, "endpoint", "list", "--json").strip() == "[]"


async def test_messages_are_listed_shown_and_replayed(run, business, receiver):
    made = await business.add(receiver.url)
    receiver.replies(500, 204)
    await business.happens(amount_minor=2900)
    await business.deliver()
    (message,) = await business.messages()
    name = made.endpoint.id
    assert message.id in in_thread(run, "messages")
    assert "pending" in in_thread(run, "messages", "--endpoint", name)
    shown = in_thread(run, "message", message.id)
    assert "status 500" in shown
    assert '"amount_minor":2900' in shown
    told = json.loads(in_thread(run, "message", message.id, "--json"))
    assert told["attempts"][0]["status"] == 500
    assert "again" in in_thread(run, "replay", name, "--message", message.id)
    await business.deliver()
    which = ("--since", "2026-01-01T00:00:00Z", "--which", "all", "--dry-run")
    assert "1 messages would be sent again" in in_thread(run, "replay", name, *which)
    assert "is on its way" in in_thread(run, "test", name, "--note", "hello")
    await business.deliver()
    assert receiver.received[-1].told["data"]["note"] == "hello"


def in_thread(run, *arguments):
    """Run a command, which has a loop of its own, beside the test's."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(ok, run, *arguments).result(60)


def test_the_operator_may_allow_this_machine(run, monkeypatch):
    local = "http://127.0.0.1:8000/hooks"
    code, _, told = run("endpoint", "add", local)
    assert (code, "https URL" in told) == (2, True)
    monkeypatch.setenv("SOLVENT_WEBHOOKS__ALLOWED_NETWORKS", "127.0.0.0/8")
    assert local in ok(run, "endpoint", "add", local)
    monkeypatch.setenv("SOLVENT_WEBHOOKS__ALLOWED_NETWORKS", "everything")
    code, _, told = run("endpoint", "list")
    assert (code, "allowed_networks" in told) == (2, True)
