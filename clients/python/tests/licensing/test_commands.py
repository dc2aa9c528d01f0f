"""What does a customer see who types --activate, --deactivate and --license?"""

import io
import json

import pytest
from publisher import KEY, opened
from test_damage import answer_by_hand

from solvent_client.licensing import commands


@pytest.fixture
def type_(computer, tmp_path, monkeypatch, capsys):
    """Type arguments; returns exit code, output, errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = commands.handle(computer.licensing(version="1.0"), list(arguments))
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_other_arguments_are_the_programs(type_):
    assert type_("report.txt", "--activate")[0] is None
    assert type_()[0] is None


def test_activate_by_file(type_, publisher, tmp_path):
    code, out, _ = type_("--activate", "--license-key", KEY, "--name", "laptop")
    assert code == 0
    assert "mytool-activation.req" in out
    request = (tmp_path / "mytool-activation.req").read_text()
    assert opened(request)["name"] == "laptop"
    (tmp_path / "license.lic").write_text(publisher.answer(request))
    code, out, _ = type_("--activate", "license.lic")
    assert code == 0
    assert "activated on this machine, until 2026-02-14T10:00:00Z" in out
    assert "Includes: export, projects (5)." in out
    code, out, _ = type_("--license", "--json")
    assert json.loads(out)["entitlements"] == {"export": True, "projects": 5}
    (tmp_path / "list").write_text(publisher.revocations(serial=3))
    assert type_("--activate", "list")[1] == "Imported revocation list 3.\n"


def test_the_same_file_again_changes_nothing_and_the_request_is_told_apart(
    type_, publisher, tmp_path
):
    type_("--activate", "--license-key", KEY)
    request = tmp_path / "mytool-activation.req"
    code, _, told = type_("--activate", request.name)
    assert (code, "It is the request for one." in told) == (1, True)
    (tmp_path / "license.lic").write_text(publisher.answer(request.read_text()))
    for _ in range(2):
        code, out, told = type_("--activate", "license.lic")
        assert (code, "activated on this machine" in out) == (0, True), told
    type_("--deactivate", "--yes")
    assert type_("--activate", "license.lic")[0] == 1


def test_where_nothing_is_activated_nothing_is_asked(type_):
    code, _, told = type_("--deactivate")
    assert (code, "no license on this machine yet" in told) == (1, True)


def test_activate_by_typed_codes(type_, computer, monkeypatch):
    code, out, _ = type_("--activate", "--typed", "--license-key", KEY)
    assert code == 0
    assert len([line for line in out.splitlines() if line.startswith("  ")]) == 2
    lines = answer_by_hand(computer)
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines) + "\n\n"))
    code, out, _ = type_("--activate", "--typed", "-")
    assert (code, "Includes: export, pro." in out) == (0, True)
    code, out, _ = type_("--deactivate", "--yes")
    assert "Give these lines" in out


def test_the_qr_code_holds_the_file(type_, monkeypatch):
    segno = pytest.importorskip("segno")
    drawn = []
    make = segno.make_qr

    def watch(text, **options):
        drawn.append(text)
        return make(text, **options)

    monkeypatch.setattr(segno, "make_qr", watch)
    _, out, _ = type_("--activate", "--license-key", KEY, "--qr")
    assert out.count("\n") > 30
    assert drawn[0].startswith("-----BEGIN ACTIVATION REQUEST-----")


def test_without_segno_a_line_says_so(type_, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "segno", None)
    assert "does not carry `segno`" in type_("--activate", "--qr")[1]


def test_deactivate_asks_first(type_, publisher, tmp_path, monkeypatch):
    type_("--activate")
    request = (tmp_path / "mytool-activation.req").read_text()
    (tmp_path / "license.lic").write_text(publisher.answer(request))
    type_("--activate", "license.lic")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    code, out, err = type_("--deactivate")
    assert (code, "Nothing was changed." in out, "--yes" in err) == (1, True, True)
    code, out, _ = type_("--deactivate", "--yes", "--output", "proof")
    assert code == 0
    assert opened((tmp_path / "proof").read_text())["activation"] == "act_1"
    code, _, err = type_("--license")
    assert (code, "deactivated" in err) == (1, True)


@pytest.mark.parametrize(
    "arguments, code, told",
    [
        (["--activate", "nowhere.lic"], 1, "nowhere.lic: No such file"),
        (["--activate", "."], 1, "cannot be read"),
        (["--activate", "a", "b"], 2, "expected one file"),
        (["--activate", "--typed"], 2, "--typed needs --license-key"),
        (["--activate", "--trial", "--license-key", KEY], 2, "--trial takes no"),
        (["--activate", "--nonsense"], 2, "--nonsense"),
        (["--activate", "--output", "no/such/folder/x"], 1, "cannot be written"),
        (["--activate", "--typed", "0000"], 1, "Line 1"),
        (["--deactivate", "--yes"], 1, "no license on this machine"),
        (["--license"], 1, "no license on this machine"),
    ],
)
def test_what_goes_wrong_is_told_on_standard_error(type_, arguments, code, told):
    found, _, err = type_(*arguments)
    assert found == code
    assert told in err
    assert "Traceback" not in err
