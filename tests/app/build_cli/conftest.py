"""What do the tests of one file share? A small program, built once, and somebody who runs it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from one_file import User, build, write_hello, write_rich

from solvent.app.build_cli.build import Built


@pytest.fixture(autouse=True)
def on_linux() -> None:
    if sys.platform != "linux":
        pytest.skip("what is built runs on Linux")
    if shutil.which("cc") is None:
        pytest.skip("the launcher needs a C compiler")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("hello")
    return build(write_hello(folder / "project", "1.0"), folder / "hello")


@pytest.fixture(scope="session")
def hello(built: Built) -> Path:
    return built.output


@pytest.fixture(scope="session")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The next version of the same program, which uses OpenSSL and a compiled package."""
    folder = tmp_path_factory.mktemp("rich")
    return build(write_rich(folder / "project", "2.0"), folder / "hello")


@pytest.fixture
def user(tmp_path: Path) -> User:
    home = tmp_path / "home"
    home.mkdir()
    return User(home)
