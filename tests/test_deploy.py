"""Can what deploy/ describes be built, installed and started as it says?"""

from __future__ import annotations

import configparser
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from source import ROOT

BIN = Path(sys.executable).parent
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
UNIT = ROOT / "deploy" / "solvent.service"
EXPOSURE_MAX = 2.5
"""`systemd-analyze security`: 0 is closed, 10 is open; below 2.5 it says OK."""


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run a command; return what it printed, and fail with it if it failed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        check=False,
        capture_output=True,
        text=True,
        timeout=180,
        env={**os.environ, "PYTHONPATH": ""},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# ------------------------------------------------------------------------------------------ image


def test_the_dockerfile_is_clean_to_the_linter() -> None:
    run(BIN / "hadolint", "--failure-threshold", "style", DOCKERFILE)


def test_the_image_runs_as_nobody_special_and_tells_its_health() -> None:
    text = DOCKERFILE.read_text(encoding="utf-8")
    final = text.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 970:970$", final, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK ", final, re.MULTILINE)
    assert re.search(r"^ARG VERSION", final, re.MULTILINE)
    assert text.count("--require-hashes") == 2


def test_the_image_copies_what_is_there() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text("utf-8"), re.MULTILINE)
    names = [name for line in copied for name in line.split()]
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").split() if "!" in line
    }
    assert all((ROOT / name).exists() for name in names)
    assert set(names) == allowed


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the files that the image copies by the backend that the lock pins."""
    copy = tmp_path_factory.mktemp("build")
    for name in ("src", "migrations"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist", cwd=copy)
    (built,) = (copy / "dist").glob("*.whl")
    return built


def pinned() -> list[str]:
    """Return the packages of requirements.lock that this platform installs."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    names = [line.partition("==")[0] for line in lines if "==" in line]
    there = {one.name.lower().replace("_", "-") for one in importlib.metadata.distributions()}
    return [name for name in names if name in there]


def link_locked(site: Path) -> None:
    """Give an environment what requirements.lock pins, and nothing that only developers have."""
    for name in pinned():
        distribution = importlib.metadata.distribution(name)
        for file in distribution.files or ():
            source = Path(str(distribution.locate_file(file.parts[0])))
            target = site / file.parts[0]
            if file.parts[0] not in {"..", "__pycache__"} and not target.exists():
                target.symlink_to(source)


def test_the_wheel_runs_on_the_locked_packages_alone(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "venv"
    venv.create(home, with_pip=False, symlinks=True)
    (site,) = (home / "lib").glob("python*/site-packages")
    python = home / "bin" / "python"
    run(BIN / "uv", "pip", "install", "--offline", "--no-deps", "--python", python, wheel)
    link_locked(site)
    told = run(python, "-c", "from solvent.app.cli import main; main()", "--version", cwd=tmp_path)
    assert "0.1.0" in told
    found = run(python, "-c", "import solvent; print(solvent.__path__[0])", cwd=tmp_path).strip()
    assert found == str(site / "solvent")
    shipped = {path.name for path in (site / "solvent" / "_migrations").glob("*.sql")}
    assert shipped == {path.name for path in (ROOT / "migrations").glob("*.sql")}


# ---------------------------------------------------------------------------------------- systemd


def unit() -> configparser.RawConfigParser:
    parsed = configparser.RawConfigParser(strict=False)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read(UNIT, encoding="utf-8")
    return parsed


def test_the_unit_starts_what_the_guide_installs() -> None:
    service = unit()["Service"]
    guide = (ROOT / "docs" / "howto" / "deploy-with-systemd.md").read_text(encoding="utf-8")
    assert service["ExecStart"] == "/opt/solvent/bin/solvent --data /var/lib/solvent up"
    assert "/opt/solvent" in guide
    assert "deploy/solvent.service" in guide
    assert service["User"] == "solvent"
    assert service["NoNewPrivileges"] == service["ProtectHome"] == "true"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
def test_systemd_finds_the_unit_sound_and_closed(tmp_path: Path) -> None:
    copy = tmp_path / "solvent.service"
    text = UNIT.read_text(encoding="utf-8")
    copy.write_text(text.replace("/opt/solvent/bin/solvent", "/bin/true"), encoding="utf-8")
    run("systemd-analyze", "verify", "--man=no", copy)
    told = run("systemd-analyze", "security", "--offline=true", copy)
    found = re.search(r"exposure level for solvent\.service: ([\d.]+)", told)
    assert found
    assert float(found[1]) <= EXPOSURE_MAX
