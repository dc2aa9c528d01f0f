"""Can an operator run businesses, keys, clocks and the audit log from a terminal?"""

from __future__ import annotations

import json

import pytest

from solvent.app.testing import Terminal
from solvent.kit.ids import RandomIds


@pytest.fixture
def slug(solvent) -> str:
    """A business made at the terminal."""
    slug = "c-" + RandomIds().new("tmp")[-20:]
    solvent.ok("tenant", "create", "Acme", "--slug", slug, "--test-clock", "2026-01-31T00:00:00Z")
    return slug


def test_a_business_is_made_and_its_keys_shown_once(solvent) -> None:
    slug = "c-" + RandomIds().new("tmp")[-20:]
    arguments = ("tenant", "create", "Acme Corp", "--slug", slug, "--owner", "alice@acme.example")
    made = json.loads(solvent.ok(*arguments, "--json"))
    assert made["test"]["slug"] == f"{slug}-test"
    assert set(made["keys"]) == {"sk_live", "pk_live", "sk_test", "pk_test"}
    listed = solvent.ok("tenant", "list")
    assert f"{slug}\tlive\tAcme Corp\t{made['live']['id']}" in listed
    for text in made["keys"].values():
        assert text not in listed
        assert text not in solvent.ok("key", "list", "--tenant", slug)
    assert "alice@acme.example" in solvent.ok("member", "list", "--tenant", slug)


def test_keys_are_issued_listed_and_revoked(solvent, business) -> None:
    slug = business.live.slug
    asked = ("deploy", "--scope", "metering:write", "--expires", "2099-01-01T00:00:00Z")
    issued = json.loads(solvent.ok("key", "issue", *asked, "-t", slug, "--json"))
    assert issued["key"].startswith("sk_live_")
    assert solvent.ok("key", "revoke", issued["id"], "-t", slug).endswith("is revoked\n")
    listed = json.loads(solvent.ok("key", "list", "-t", slug, "--json"))
    mine = next(key for key in listed if key["id"] == issued["id"])
    assert mine["revoked_at"]
    assert mine["scopes"] == "metering:write"


def test_a_clock_is_moved_dry(solvent, slug) -> None:
    """What it would be is shown, and nothing of it is kept; what would be refused is."""
    test = ("--tenant", f"{slug}-test", "--dry-run")
    for moved in (("advance", "31d"), ("set", "2026-03-03T00:00:00Z")):
        code, out, err = solvent("clock", *moved, *test)
        assert (code, out) == (0, "2026-03-03T00:00:00Z\n")
        assert "dry run: nothing was kept" in err
    assert solvent.ok("clock", "release", *test) == "real time\n"
    assert solvent.ok("clock", "show", *test[:2]) == "2026-01-31T00:00:00Z\n"
    code, _, err = solvent("clock", "set", "2026-01-01T00:00:00Z", *test)
    assert (code != 0, "dry run" in err) == (True, False)


def test_a_test_clock_is_moved(solvent, slug) -> None:
    test = ("--tenant", f"{slug}-test")
    assert solvent.ok("clock", "show", *test) == "2026-01-31T00:00:00Z\n"
    assert solvent.ok("clock", "advance", "31d", *test) == "2026-03-03T00:00:00Z\n"
    assert (
        solvent.ok("clock", "set", "2026-04-01T00:00:00+02:00", *test) == "2026-03-31T22:00:00Z\n"
    )
    code, _, err = solvent("clock", "set", "2026-01-01T00:00:00Z", *test)
    assert (code, "forward only" in err) == (1, True)
    code, _, err = solvent("clock", "advance", "1d", "--tenant", slug)
    assert (code, "test mode" in err) == (1, True)


def test_the_audit_log_is_listed_verified_and_proven(solvent, slug, tmp_path) -> None:
    assert "tenants.tenant_created" in solvent.ok("audit", "list", "-t", slug)
    told = solvent.ok("audit", "verify", "-t", slug)
    assert "result   ok" in told
    file = tmp_path / "proof.jsonl"
    assert "3 records" in solvent.ok("audit", "export", str(file), "-t", slug)
    report = json.loads(solvent.ok("audit", "verify", "--file", str(file), "--json"))
    assert (report["result"], report["checked"]) == ("ok", 3)
    lines = file.read_text().splitlines()
    file.write_text(
        "\n".join([lines[0], lines[1], lines[2].replace("secret", "public"), *lines[3:]])
    )
    code, out, _ = solvent("audit", "verify", "--file", str(file))
    assert code == 1
    assert "first bad  2" in out
    assert "hash_mismatch" in out


def test_a_proof_needs_no_server_to_be_verified(solvent, slug, tmp_path) -> None:
    file = tmp_path / "proof.jsonl"
    solvent.ok("audit", "export", str(file), "-t", slug)
    away = Terminal(solvent.capsys, str(tmp_path / "nothing-runs-here"))
    assert "result   ok" in away.ok("audit", "verify", "--file", str(file))
    key = json.loads(file.read_text().splitlines()[-1])["signature"]["public_key"]
    assert "ok" in away.ok("audit", "verify", "--file", str(file), "--public-key", key)
    code, out, _ = away("audit", "verify", "--file", str(file), "--public-key", "00" * 32)
    assert (code, "bad_signature" in out) == (1, True)


def test_members_come_and_go(solvent, business) -> None:
    slug = business.live.slug
    added = solvent.ok("member", "add", "bob@acme.example", "--role", "admin", "-t", slug)
    member_id = added.split()[0]
    assert solvent.ok("member", "remove", member_id, "-t", slug) == f"{member_id} is removed\n"


@pytest.mark.parametrize(
    "arguments, told",
    [
        (("tenant", "create", "Acme", "--slug", "API"), "slug: "),
        (("tenant", "create", "Acme", "--slug", "www"), "reserved"),
        (("tenant", "create", "\n"), "name: "),
        (("tenant", "create", "Acme", "--test-clock", "soon"), "--test-clock: "),
        (("tenant", "create", "Acme", "--owner", "nobody"), "email: "),
        (("key", "issue", "x", "--scope", "everything"), "scopes: "),
        (("key", "issue", "x", "--expires", "2020-01-01T00:00:00Z"), "expires_at: "),
        (("key", "issue", "x", "--expires", "2099-01-01"), "--expires: "),
        (("key", "issue", "x", "--kind", "golden"), "golden"),
        (("clock", "advance", "1y"), "SPAN: "),
        (("clock", "set", "tomorrow"), "MOMENT: "),
        (("member", "add", "bob"), "email: "),
        (("audit", "verify", "--file", "/nonexistent"), "/nonexistent: "),
        (("audit", "verify", "--file", "/dev/null"), "line 1: "),
        (("audit", "export", "/nonexistent/x"), "/nonexistent/x: "),
        (("audit", "list", "--limit", "0"), "--limit"),
    ],
)
def test_wrong_arguments_exit_2_and_name_the_field(solvent, business, arguments, told) -> None:
    if arguments[0] != "tenant":
        arguments = (*arguments, "--tenant", business.live.slug)
    code, out, err = solvent(*arguments)
    assert (code, out) == (2, "")
    assert told in err


def test_an_unknown_tenant_or_key_exits_1(solvent, business) -> None:
    slug = business.live.slug
    for arguments in (
        ("key", "list", "--tenant", "no-such-tenant"),
        ("key", "revoke", "key_x", "--tenant", slug),
        ("member", "remove", "mem_x", "--tenant", slug),
        ("tenant", "create", "Acme", "--slug", slug),
    ):
        code, _, err = solvent(*arguments)
        assert (code, err.startswith("solvent: ")) == (1, True), err
