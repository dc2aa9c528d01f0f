"""Does one file run as the program does, with no Python and no network?"""

from __future__ import annotations

import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from one_file import (
    EXAMPLE,
    ROOT,
    WITHIN_S,
    User,
    alone,
    build,
)

from solvent.app.build_cli.build import Built


def test_it_starts_unpacks_once_and_writes_nothing_after(user: User, hello: Path) -> None:
    assert user.says(hello, "a", "ü b") == "1.0 a ü b"
    before = {path: path.stat().st_mtime_ns for path in user.cache.rglob("*")}
    assert user.says(hello) == "1.0"
    assert {path: path.stat().st_mtime_ns for path in user.cache.rglob("*")} == before
    assert all(stat.S_IMODE(path.stat().st_mode) in {0o600, 0o700} for path in before)
    assert not list(user.cache.rglob("*.py")), "the founder's source is not handed out"


def test_exit_codes_pipes_data_and_processes(user: User, hello: Path) -> None:
    assert user.run(hello, "exit").returncode == 7
    assert user.says(hello, "stdin", stdin="über") == "ÜBER"
    assert user.says(hello, "data") == "the data"
    assert user.says(hello, "spawn") == "[1, 2]"


def test_ctrl_c_reaches_the_program(user: User, hello: Path) -> None:
    with subprocess.Popen(
        [hello, "wait"], env=user.variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as program:
        assert program.stdout
        assert program.stdout.readline() == b"waiting\n"
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=WITHIN_S)
        assert program.returncode == -signal.SIGINT
        assert b"KeyboardInterrupt" in errors


def test_the_users_python_variables_change_nothing(user: User, hello: Path, tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text("raise SystemExit('planted')")
    user.variables |= {"PYTHONPATH": str(tmp_path), "PYTHONHOME": "/nowhere", "PYTHONSTARTUP": "x"}
    assert user.says(hello) == "1.0"


def test_paths_with_spaces_and_other_letters(hello: Path, tmp_path: Path) -> None:
    folder = tmp_path / "Eine Mappe für ☃"
    folder.mkdir()
    copy = shutil.copy(hello, folder / "das Programm")
    user = User(folder / "zu Hause")
    user.home.mkdir()
    assert user.says(copy, "ja") == "1.0 ja"
    assert user.says(copy, "ja") == "1.0 ja"


def test_two_versions_stand_side_by_side(user: User, hello: Path, rich: Built) -> None:
    for _ in range(2):
        assert user.says(hello) == "1.0"
        assert user.says(rich.output) == "2.0"
    assert sum(path.is_dir() for path in user.cache.iterdir()) == 2


def test_no_network_and_no_python_are_needed(user: User, hello: Path) -> None:
    assert user.says(*alone(), hello, "with nobody") == "1.0 with nobody"


def test_a_module_that_is_missing_is_named(user: User, hello: Path) -> None:
    done = user.run(hello, "absent")
    assert done.returncode == 1
    assert "No module named 'wave'" in done.stderr


@pytest.fixture(scope="session")
def mytool(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(EXAMPLE, tmp_path_factory.mktemp("mytool") / "mytool")


def test_the_example_is_at_most_16_mb(mytool: Built) -> None:
    assert mytool.file_bytes <= 16_000_000
    assert not {"cryptography", "cffi"} & set(mytool.distributions)


def test_the_example_activates_and_runs_with_no_network_and_no_python(
    user: User, mytool: Built, tmp_path: Path
) -> None:
    sys.path.insert(0, str(ROOT / "clients/python/tests/licensing"))
    try:
        from publisher import Publisher
    finally:
        sys.path.pop(0)
    here = alone()
    user.variables["MYTOOL_MACHINE"] = "desk-1"  # tests may run where no machine can be told
    request, text = tmp_path / "request", tmp_path / "text"
    text.write_text("one two three")
    done = user.run(*here, mytool.output, text)
    assert (done.returncode, "no license on this machine" in done.stderr) == (1, True)
    assert user.says(*here, mytool.output, "--help").startswith("usage: mytool FILE")
    assert user.run(*here, mytool.output, "--activat").returncode == 2
    user.says(*here, mytool.output, "--activate", "--output", request)
    answer = Publisher().answer(request.read_text(), issued=int(time.time()))
    (tmp_path / "license.lic").write_text(answer)
    assert "activated" in user.says(*here, mytool.output, "--activate", tmp_path / "license.lic")
    assert user.says(*here, mytool.output, text) == "3 words"
    assert '"words": 3' in user.says(*here, mytool.output, text, "--json")


def test_compiled_packages_bring_what_they_require(user: User, rich: Built) -> None:
    """`cryptography` imports `_cffi_backend` from compiled code, where no import can be read."""
    assert {"cffi", "cryptography"} <= set(rich.distributions)
    assert user.says(rich.output, "sign") == "64"
