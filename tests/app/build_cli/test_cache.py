"""Does the launcher believe nothing in the cache that it did not write?"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from one_file import (
    NO_PLACE,
    NOBODY,
    SHARED,
    WITHIN_S,
    User,
)


def test_twenty_first_starts_at_once(user: User, hello: Path) -> None:
    with ThreadPoolExecutor(20) as pool:
        said = list(pool.map(lambda number: user.says(hello, number), range(20)))
    assert said == [f"1.0 {number}" for number in range(20)]
    assert sum(path.is_dir() for path in user.cache.iterdir()) == 1
    assert not [path for path in user.cache.iterdir() if path.name.startswith(".")]


def test_an_unpacking_that_was_interrupted_is_done_anew(user: User, hello: Path) -> None:
    for wait_s in (0.002, 0.01, 0.03, 0.06):
        with subprocess.Popen([hello], env=user.variables, stdout=subprocess.DEVNULL) as program:
            time.sleep(wait_s)
            program.kill()
    assert user.says(hello) == "1.0"
    assert not [path for path in user.cache.iterdir() if path.name.startswith(".")]


def starts_right(user: User, hello: Path) -> None:
    assert user.says(hello, "again") == "1.0 again"
    assert user.says(hello, "data") == "the data"


def test_a_changed_file_in_the_cache_is_not_run(user: User, hello: Path) -> None:
    """Neither one of another size, nor one of the same size and time."""
    user.says(hello)
    for content in (b"", None):
        target = user.lib / "site-packages/hello/data.txt"
        told = target.stat()
        target.write_bytes(b"THE DATA" if content is None else content)
        os.utime(target, ns=(told.st_atime_ns, told.st_mtime_ns))
        starts_right(user, hello)


def test_a_file_put_into_the_cache_is_not_run(user: User, hello: Path) -> None:
    user.says(hello)
    planted = user.lib / "hello.py"
    planted.write_text("raise SystemExit('planted')")
    starts_right(user, hello)
    assert not planted.exists()


def test_a_missing_file_comes_back(user: User, hello: Path) -> None:
    user.says(hello)
    (user.lib / "os.pyc").unlink()
    starts_right(user, hello)


def test_a_lost_or_wrong_seal_is_made_anew_from_the_hashes(user: User, hello: Path) -> None:
    user.says(hello)
    before = user.unpacked.stat().st_ino
    seal = user.unpacked.with_name(user.unpacked.name + ".seal")
    for content in (b"", b"x" * seal.stat().st_size):
        seal.write_bytes(content)
        starts_right(user, hello)
        assert user.unpacked.stat().st_ino == before, "what was right was not unpacked again"


def test_a_cache_that_was_open_to_others_is_closed_and_read_again(user: User, hello: Path) -> None:
    user.says(hello)
    data = user.lib / "site-packages/hello/data.txt"
    for path in (user.cache, user.unpacked, data):
        path.chmod(0o777)
        starts_right(user, hello)
    assert stat.S_IMODE(user.cache.stat().st_mode) == 0o700


def test_a_link_in_the_place_of_the_cache_is_not_followed(
    user: User, hello: Path, tmp_path: Path
) -> None:
    user.says(hello)
    away = tmp_path / "away"
    shutil.copytree(user.unpacked, away)
    root = user.unpacked
    shutil.rmtree(root)
    root.symlink_to(away)
    starts_right(user, hello)
    assert not root.is_symlink()
    assert away.is_dir()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make folders of others")
def test_a_cache_of_another_user_is_not_taken(user: User, hello: Path) -> None:
    user.says(hello)
    for path in (user.cache, *user.cache.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    user.variables["XDG_RUNTIME_DIR"] = str(user.home / "run")
    assert user.says(hello, "where").startswith(str(user.home / "run" / "hello"))


@pytest.fixture
def public_home(hello: Path) -> Iterator[Path]:
    """A folder into which everybody may look, with the program in it."""
    with tempfile.TemporaryDirectory(prefix="solvent-one-file-") as folder:
        Path(folder).chmod(0o755)
        shutil.copy(hello, Path(folder, "hello"))
        yield Path(folder)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_read_only_home_is_no_hindrance(public_home: Path) -> None:
    try:
        done = subprocess.run(
            [public_home / "hello", "where"],
            env={"HOME": str(public_home)},
            user=NOBODY,
            capture_output=True,
            text=True,
            check=True,
            timeout=WITHIN_S,
        )
        assert done.stdout.startswith(f"{SHARED}/")
    finally:
        shutil.rmtree(SHARED, ignore_errors=True)


def test_a_place_from_which_nothing_may_run_is_passed_over(
    public_home: Path, tmp_path: Path
) -> None:
    """As a hardened /tmp is mounted: noexec."""
    home = public_home / "home"
    home.mkdir()
    script = f"mount -t tmpfs -o noexec none {home} && HOME={home} {public_home}/hello where"
    environment = {"XDG_RUNTIME_DIR": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=WITHIN_S,
    )
    if "permi" in done.stderr.lower() or "not permitted" in done.stderr:
        pytest.skip("nothing may be mounted here")
    assert done.stdout.startswith(str(tmp_path / "hello")), done.stderr


def test_where_nothing_can_be_written_it_says_what_to_do(user: User, hello: Path) -> None:
    (user.home / "file").write_text("")
    user.variables["HELLO_CACHE_DIR"] = str(user.home / "file")
    done = user.run(hello)
    assert done.returncode == NO_PLACE
    assert "HELLO_CACHE_DIR=/path" in done.stderr
    user.variables["HELLO_CACHE_DIR"] = str(user.home / "elsewhere")
    assert str(user.home / "elsewhere") in user.says(hello, "where")
