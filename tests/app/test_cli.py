"""Does the command line tell what is wrong with what was typed, and exit as promised?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


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
    assert (done.returncode, "run `solvent up`" in done.stderr) == (1, True), done.stderr


def test_a_wrong_setting_is_named_with_its_line(tmp_path: Path) -> None:
    config = tmp_path / "solvent.toml"
    config.write_text("[http]\n\nprot = 80\n")
    done = solvent("--config", str(config), "up", data=tmp_path)
    assert done.returncode == 2
    assert f"{config} line 3: unknown setting http.prot; known here: " in done.stderr
    assert "http.port" in done.stderr


def test_a_command_without_a_running_solvent_says_how_to_start_it(tmp_path: Path) -> None:
    done = solvent("tenant", "list", data=tmp_path / "nothing")
    assert (done.returncode, "run `solvent up`" in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "nothing").exists()
