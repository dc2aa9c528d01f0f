"""Do the commands of licensing say what happened, and exit as they should?"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import license_vectors as vectors
import pytest
import typer

from solvent.app.testing import Terminal
from solvent.kernel.subscriptions import service as subscriptions
from solvent.systems.licensing.cli.inspect import inspect
from solvent.systems.licensing.testing import Seller

FILES = json.loads((vectors.FOLDER / "files.json").read_text("utf-8"))
KEYGENS = json.loads((vectors.FOLDER / "keygen.json").read_text("utf-8"))
TERMS = """
name = "Pro"
product = "mytool"
limit = 2
features = { export = true, projects = 25 }
"""


@pytest.fixture
def run(solvent: Terminal, seller: Seller):
    """Run `solvent license …` for the seller; return the exit code, the output, the errors."""

    def at_terminal(command: str, *arguments: str) -> tuple[int, str, str]:
        return solvent("license", command, *arguments, "--tenant", seller.slug)

    return at_terminal


@pytest.fixture
async def subscribed(seller: Seller) -> None:
    """Alice has subscribed to a plan of the catalogue that no policy fulfills."""
    await seller.stock()
    await seller.do(lambda ctx: subscriptions.create(ctx, "alice", "pro"))


def made(run, tmp_path: Path) -> dict[str, Any]:
    terms = tmp_path / "pro.toml"
    terms.write_text(TERMS)
    code, _, told = run("policy", "pro", "--file", str(terms))
    assert code == 0, told
    code, out, told = run("issue", "pro", "--name", "Globex", "--json")
    assert code == 0, told
    return json.loads(out)


def test_a_license_goes_from_policy_to_export(run, seller: Seller, tmp_path: Path) -> None:
    held = made(run, tmp_path)
    request, answer = tmp_path / "request.lic", tmp_path / "license.lic"
    request.write_bytes(seller.device("laptop").ask(held["key"]))
    code, _, told = run("activate", held["id"], str(request), "--out", str(answer))
    assert code == 0, told
    code, shown, _ = run("show", held["id"])
    assert "laptop" in shown
    _, out, _ = run("show", held["id"], "--json")
    activation = json.loads(out)["activations"][0]["id"]
    _, out, _ = run("deactivate", held["id"], activation, "--dry-run")
    assert "its slot is free after" in out
    proof = tmp_path / "proof.lic"
    proof.write_bytes(seller.device("laptop").prove(activation))
    _, out, _ = run("prove", str(proof))
    assert out.strip() == f"{activation} is deactivated; its slot is free"
    _, out, _ = run("export")
    (line,) = out.splitlines()
    assert json.loads(line)["activations"][0]["proven"] is True
    assert held["key"] not in line


def test_revoke_can_be_tried_first(run, seller: Seller, tmp_path: Path) -> None:
    held = made(run, tmp_path)
    request = tmp_path / "request.lic"
    request.write_bytes(seller.device("laptop").ask(held["key"]))
    run("activate", held["id"], str(request))
    code, out, err = run("revoke", held["id"], "--reason", "refunded", "--dry-run")
    assert code == 0
    assert "banned (refunded)" in out
    assert "1 machines without a network run on until" in out
    assert "nothing was kept" in err
    _, out, _ = run("list", "--json")
    assert json.loads(out)[0]["status"] == "active"
    run("revoke", held["id"], "--reason", "refunded")
    _, out, _ = run("list", "--json")
    assert json.loads(out)[0]["status"] == "banned"
    listed = tmp_path / "revoked.lic"
    assert run("revocations", "--out", str(listed))[0] == 0
    assert "REVOCATION LIST" in listed.read_text()


def test_who_paid_before_is_shown_first_and_then_given_licenses(
    run, subscribed: None, tmp_path: Path
) -> None:
    terms = tmp_path / "pro.toml"
    terms.write_text(f'{TERMS}plan_key = "pro"\n')
    code, _, told = run("policy", "pro", "--file", str(terms))
    assert (code, "issue --missing --dry-run" in told) == (0, True), told
    code, out, told = run("issue", "--missing", "--dry-run", "--json")
    assert (code, len(json.loads(out))) == (0, 1), told
    assert "1 would get a license, nothing was changed" in told
    assert json.loads(run("list", "--json")[1]) == []
    code, out, told = run("issue", "--missing")
    assert (code, "1 licenses were given" in told) == (0, True), told
    assert len(json.loads(run("list", "--json")[1])) == 1
    assert "Nobody who paid is without a license" in run("issue", "--missing")[2]
    assert "No purchase waits" in run("purchases")[2]
    assert run("issue", "--missing", "--name", "x")[0] == 2
    assert run("issue")[0] == 2


def test_seats_are_given_to_people_and_taken_back(run, tmp_path: Path) -> None:
    terms = tmp_path / "team.toml"
    terms.write_text('name = "Team"\nproduct = "mytool"\nscheme = "seats"\nlimit = 1\n')
    assert run("policy", "team", "--file", str(terms))[0] == 0
    held = json.loads(run("issue", "team", "--json")[1])["id"]
    assert "is the seat of ann" in run("seat", held, "ann", "--dry-run")[1]
    _, ann, _ = run("seat", held, "ann")
    assert run("seat", held, "ann")[1] == ann, "the same person has one seat"
    code, _, told = run("seat", held, "ben")
    assert (code, "are taken" in told) == (1, True), told
    assert run("seat", held, "  ")[0] == 2
    assert "its slot is free" in run("deactivate", held, ann.split()[0])[1]
    assert run("seat", held, "ben")[0] == 0


def test_bad_input_names_the_field_and_exits_2(run, tmp_path: Path) -> None:
    terms = tmp_path / "odd.toml"
    for text, field in (
        ('name = "x"\nproduct = "mytool"\nlimit = -1', "limit"),
        ('name = "x"\nproduct = "mytool"\nslots = 1', "slots"),
        ("limt = 3", "limt: expected one of name, product, scheme, limit"),
        ("name = ", str(terms)),
    ):
        terms.write_text(text)
        code, _, told = run("policy", "odd", "--file", str(terms))
        assert code == 2, told
        assert field in told
    assert run("show", "lic_0")[0] == 1
    assert run("issue", "nowhere")[0] == 1
    assert run("issue", "nowhere", "--expires", "tomorrow")[0] == 2


def test_a_files_public_key_is_printed_for_the_program(
    run, seller: Seller, solvent: Terminal, tmp_path: Path
) -> None:
    held = made(run, tmp_path)
    _, out, _ = run("public-keys")
    file = tmp_path / "license.lic"
    run("file", held["id"], "--license-key", held["key"], "--out", str(file))
    key = ["--license-key", held["key"].lower(), "--public-key", out.strip()]
    code, out, err = solvent("license", "inspect", str(file), *key, "--at", "2026-01-15T10:00:00Z")
    assert code == 0, err
    told = json.loads(out)
    assert (told["valid"], told["reason"]) == (True, None)
    assert told["entitlements"] == {"export": True, "projects": 25}
    assert told["expires_at"] == "2026-02-14T10:00:00Z"


@pytest.mark.parametrize(
    "vector",
    [one for one in FILES["vectors"] if "components" not in one],
    ids=lambda one: one["name"],
)
def test_inspect_tells_the_verdict_of_each_vector(
    vector: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, listed = tmp_path / "license.lic", tmp_path / "list.lic"
    file.write_text(vector["file"], newline="")
    listed.write_text(vector.get("revocations", ""))
    told = {name: vector.get(name) for name in ("license_key", "fingerprint", "released_at")}
    with contextlib.ExitStack() as stack:
        if not vector["expect"]["valid"]:
            ended = stack.enter_context(pytest.raises(typer.Exit))
        inspect(
            file,
            [FILES["public_key"]],
            **told,
            at=vector["at"],
            revocations=listed if "revocations" in vector else None,
        )
    assert vector["expect"]["valid"] or ended.value.exit_code == 1
    shown = json.loads(capsys.readouterr().out)
    expect = {name: one for name, one in vector["expect"].items() if name in shown}
    assert {name: shown[name] for name in expect} == expect
    assert shown["message"]


def test_inspect_exits_with_0_only_for_a_good_file(solvent: Terminal, tmp_path: Path) -> None:
    """Solvent's own, and those that Keygen publishes."""
    keygens = {name: KEYGENS[name] for name in ("public_key", "license_key")}
    ours = {one["name"]: one | {"public_key": FILES["public_key"]} for one in FILES["vectors"]}
    chosen = [ours[name] for name in ("machine, encrypted", "a second after the file", "empty")]
    for vector in [one | keygens for one in KEYGENS["vectors"]] + chosen:
        file = tmp_path / "license.lic"
        file.write_text(vector["file"], newline="")
        names = ("public_key", "license_key", "fingerprint", "at")
        told = [f"--{one.replace('_', '-')}={vector[one]}" for one in names if one in vector]
        code, out, _ = solvent("license", "inspect", str(file), *told)
        shown, expect = json.loads(out), vector["expect"]
        assert code == (0 if expect["valid"] else 1), vector["name"]
        for name in ("valid", "reason", "expires_at", "entitlements"):
            assert shown[name] == expect.get(name, shown[name])


def test_inspect_needs_its_options_in_form(solvent: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "license.lic"
    file.write_text("hello")
    key = ["--public-key", FILES["public_key"]]
    for arguments, field in (
        ([str(file), "--public-key", "beef"], "--public-key"),
        ([str(tmp_path / "none.lic"), *key], "FILE"),
        ([str(file), *key, "--at", "noon"], "--at"),
        ([str(file), *key, "--revocations", str(file)], "--revocations"),
    ):
        code, _, told = solvent("license", "inspect", *arguments)
        assert code == 2, told
        assert field in told
    assert solvent("license", "inspect", str(file))[0] == 2


def test_inspect_runs_with_no_server_and_no_data(tmp_path: Path) -> None:
    file = tmp_path / "license.lic"
    vector = FILES["vectors"][0]
    file.write_text(vector["file"])
    told = [str(file), "--public-key", FILES["public_key"], "--at", vector["at"]]
    done = subprocess.run(
        [str(Path(sys.executable).parent / "solvent"), "license", "inspect", *told],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["valid"] is True
    assert [path.name for path in tmp_path.iterdir()] == ["license.lic"]
