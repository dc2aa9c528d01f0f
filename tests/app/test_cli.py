"""Does the command line tell what is wrong with what was typed, and exit as promised?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from solvent.app.settings import Settings
from solvent.app.supervisor.access import (
    EngineAccess,
    NatsAccess,
    PostgresAccess,
    write_access,
)
from solvent.app.wire import wire_all


def solvent(*arguments: str, data: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "solvent.app.cli", "--data", str(data), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "120", "NO_COLOR": "1"},
    )


def test_help_names_every_command(tmp_path: Path) -> None:
    told = solvent("--help", data=tmp_path)
    assert told.returncode == 0
    for command in ("up", "demo", "tenant", "catalogue", "payments", "usage", "invoice", "audit"):
        assert f" {command} " in told.stdout


def test_a_wiring_adds_nothing_to_the_commands_of_another() -> None:
    once, again = (
        {name: len(app.registered_commands) for name, app in wire_all(Settings()).commands.items()}
        for _ in range(2)
    )
    assert once == again


@pytest.mark.parametrize(
    "arguments, told",
    [
        (("tenant",), "Usage"),
        (("tenent", "list"), "No such command 'tenent'"),
        (("tenant", "list", "--jsn"), "No such option"),
        (("up", "--port", "99999"), "less than or equal to 65535"),
        (("up", "--port", "x"), "valid integer"),
        (("--config", "/nonexistent/solvent.toml", "up"), "/nonexistent/solvent.toml: "),
    ],
)
def test_what_is_typed_wrong_exits_2_and_says_so(
    tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    done = solvent(*arguments, data=tmp_path)
    assert (done.returncode, told in done.stderr + done.stdout) == (2, True), done.stderr


@pytest.mark.parametrize("name", ["demo", "up", "sign-in"])
def test_a_name_that_is_also_a_command_is_a_name(tmp_path: Path, name: str) -> None:
    done = solvent("tenant", "create", name, data=tmp_path / "nothing")
    assert (done.returncode, "start it with `solvent up`" in done.stderr) == (1, True), done.stderr


def left_behind(data: Path, *, postgres: str) -> None:
    """Leave what a killed `solvent up` does: a descriptor of engines that are gone."""
    (data / "run").mkdir(parents=True)
    nats = NatsAccess("nats://127.0.0.1:1", "solvent", "x")
    access = PostgresAccess(postgres, postgres, postgres)
    write_access(data / "run" / "engines.json", EngineAccess(access, nats))
    (data / "run" / "api-url").write_text("http://127.0.0.1:1")


@pytest.mark.parametrize("command", [("tenant", "list"), ("payments", "list"), ("sign-in",)])
def test_after_a_kill_it_is_solvent_that_does_not_run(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    left_behind(tmp_path, postgres=f"postgresql://solvent_app:x@/solvent?host={tmp_path}")
    done = solvent(*command, data=tmp_path)
    assert done.returncode == 1
    assert "Solvent is not running: start it with `solvent up`" in done.stderr
    assert "database" not in done.stderr


def test_a_command_beside_what_runs_has_its_settings_file(tmp_path: Path) -> None:
    url = "postgresql://solvent_app:x@127.0.0.1:1/solvent"
    left_behind(tmp_path, postgres=url)
    config = tmp_path / "solvent.toml"
    config.write_text("[engines]\nno_such_setting = 1\n")
    (tmp_path / "run" / "config-file").write_text(f"{config}\n")
    done = solvent("tenant", "list", data=tmp_path)
    assert (done.returncode, "no_such_setting" in done.stderr) == (2, True), done.stderr
    other = tmp_path / "other.toml"
    other.write_text("")
    done = solvent("--config", str(other), "tenant", "list", data=tmp_path)
    assert "no_such_setting" not in done.stderr


def test_a_database_of_somebody_else_s_is_told_to_be_away(tmp_path: Path) -> None:
    url = "postgresql://solvent_app:x@127.0.0.1:1/solvent"
    left_behind(tmp_path, postgres=url)
    config = tmp_path / "solvent.toml"
    config.write_text(f'[engines]\npostgres = "{url}"\n')
    done = solvent("--config", str(config), "tenant", "list", data=tmp_path)
    assert (done.returncode, "The database cannot be reached" in done.stderr) == (1, True)
    assert "solvent up" not in done.stderr


def test_a_wrong_setting_is_named_with_its_line(tmp_path: Path) -> None:
    config = tmp_path / "solvent.toml"
    config.write_text("[http]\n\nprot = 80\n")
    done = solvent("--config", str(config), "up", data=tmp_path)
    assert done.returncode == 2
    assert f"{config} line 3: unknown setting http.prot; known here: " in done.stderr
    assert "http.port" in done.stderr


def test_a_command_without_a_running_solvent_says_how_to_start_it(tmp_path: Path) -> None:
    done = solvent("tenant", "list", data=tmp_path / "nothing")
    assert (done.returncode, "start it with `solvent up`" in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "nothing").exists()
