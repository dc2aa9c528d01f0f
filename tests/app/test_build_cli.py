"""Does one file run anywhere, once unpacked, and does it believe nothing that it did not write?"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from source import ROOT

from solvent.app.build_cli import compiler, elf
from solvent.app.build_cli.build import Built, build_for_linux
from solvent.app.build_cli.found import CannotCollect, Found, Wanted, collect
from solvent.app.build_cli.project import NotAProgram, read_program

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="what is built runs on Linux"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="the launcher needs a C compiler"),
]

PYTHON = Path(sys.executable)
EXAMPLE = ROOT / "examples" / "licensed_cli"
NOBODY = 65534
SHARED = Path("/var/tmp", f"hello-{NOBODY}")  # noqa: S108 -- where the launcher may unpack
WITHIN_S = 60
DAMAGED, NO_PLACE = 70, 73

HELLO = """
import multiprocessing, os, sys, time
from pathlib import Path

def double(x):
    return 2 * x

def main():
    told = sys.argv[1:]
    if told == ["exit"]:
        return 7
    if told == ["wait"]:
        print("waiting", flush=True)
        time.sleep(60)
    if told == ["data"]:
        print((Path(__file__).parent / "data.txt").read_text().strip())
    elif told == ["spawn"]:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(pool.map(abs, [-1, -2]))
    elif told == ["stdin"]:
        print(sys.stdin.read().upper())
    elif told == ["absent"]:
        import importlib
        importlib.import_module("wave")
    elif told == ["where"]:
        print(sys.prefix)
    else:
        print(VERSION, *told)
"""


def write_hello(folder: Path, version: str) -> Path:
    package = folder / "src" / "hello"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"VERSION = {version!r}\n{HELLO}")
    (package / "data.txt").write_text("the data")
    (folder / "pyproject.toml").write_text(
        f"""[project]
name = "hello"
version = "{version}"
[project.scripts]
hello = "hello:main"
"""
    )
    return folder


def build(project: Path, output: Path) -> Built:
    program = read_program(project, script=None, entry=None)
    wanted = Wanted(PYTHON, program.include, program.exclude)
    return build_for_linux(program, wanted, output)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("hello")
    return build(write_hello(folder / "project", "1.0"), folder / "hello")


@pytest.fixture(scope="session")
def hello(built: Built) -> Path:
    return built.output


class User:
    """Somebody with a home and nothing else: no Python, no network where that can be had."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.variables = {"HOME": str(home), "PATH": "/nowhere", "LANG": "C.UTF-8"}

    def run(self, *command: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(part) for part in command],
            env=self.variables,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=WITHIN_S,
        )

    def says(self, *command: object, stdin: str = "") -> str:
        done = self.run(*command, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @property
    def cache(self) -> Path:
        return self.home / ".cache" / "hello"

    @property
    def unpacked(self) -> Path:
        return next(path for path in self.cache.iterdir() if path.is_dir())

    @property
    def lib(self) -> Path:
        return next(self.unpacked.glob("lib/python3*"))


@pytest.fixture
def user(tmp_path: Path) -> User:
    home = tmp_path / "home"
    home.mkdir()
    return User(home)


# ---------------------------------------------------------------------------------- it is a program


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


def test_two_versions_stand_side_by_side(user: User, hello: Path, tmp_path: Path) -> None:
    newer = build(write_hello(tmp_path / "project", "2.0"), tmp_path / "hello").output
    for _ in range(2):
        assert user.says(hello) == "1.0"
        assert user.says(newer) == "2.0"
    assert sum(path.is_dir() for path in user.cache.iterdir()) == 2


def test_no_network_and_no_python_are_needed(user: User, hello: Path) -> None:
    if subprocess.run(["unshare", "-n", "true"], check=False).returncode:
        pytest.skip("no network namespace may be made here")
    assert user.says(shutil.which("unshare"), "-n", hello, "alone") == "1.0 alone"


def test_a_module_that_is_missing_is_named(user: User, hello: Path) -> None:
    done = user.run(hello, "absent")
    assert done.returncode == 1
    assert "No module named 'wave'" in done.stderr


# ---------------------------------------------------------------------------------------- unpacking


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


# ---------------------------------------------------------------------------------- the file itself


def test_every_changed_part_of_the_file_is_refused(user: User, hello: Path, tmp_path: Path) -> None:
    whole = hello.read_bytes()
    launcher = len(compiler.linux(tmp_path).front)
    places = [launcher + 1, *range(launcher + 1000, len(whole), (len(whole) - launcher) // 12)]
    for at in [*places, len(whole) - 1, len(whole) - 40, len(whole) - 56]:
        changed = bytearray(whole)
        changed[at] ^= 0x10
        copy = tmp_path / "changed"
        copy.write_bytes(changed)
        copy.chmod(0o755)
        done = user.run(copy)
        assert done.returncode == DAMAGED, at
        assert "damaged" in done.stderr
        copy.unlink()
    assert not list(user.home.rglob("*.seal"))


@pytest.mark.parametrize("missing", [1, 56, 5000])
def test_a_file_that_was_cut_is_refused(
    user: User, hello: Path, tmp_path: Path, missing: int
) -> None:
    copy = tmp_path / "cut"
    copy.write_bytes(hello.read_bytes()[:-missing])
    copy.chmod(0o755)
    assert user.run(copy).returncode == DAMAGED


def test_two_builds_are_the_same_bytes(hello: Path, tmp_path: Path) -> None:
    again = build(write_hello(tmp_path / "elsewhere" / "project", "1.0"), tmp_path / "b").output
    assert again.read_bytes() == hello.read_bytes()


def test_it_says_which_glibc_it_needs(built: Built) -> None:
    assert (2, 17) <= built.glibc < (3, 0)
    assert elf.needed_glibc(b"\0GLIBC_2.9\0GLIBC_2.34\0GLIBC_PRIVATE\0") == (2, 34)
    assert elf.needed_glibc(b"") == (0, 0)


def test_libraries_find_what_was_brought_along(user: User, tmp_path: Path) -> None:
    """`_ssl` looks for libssl in the folder of the program, not in the system."""
    project = write_hello(tmp_path / "project", "1.0")
    (project / "src/hello/__init__.py").write_text(
        "import ssl\nfrom pathlib import Path\n"
        "def main():\n"
        "    ssl.create_default_context()\n"
        "    loaded = {line.split()[-1] for line in open('/proc/self/maps') if 'libssl' in line}\n"
        "    print(*loaded)\n"
    )
    built = build(project, tmp_path / "hello")
    loaded = user.says(built.output)
    assert loaded.startswith(str(user.unpacked))


def test_a_library_without_its_symbols_still_loads(tmp_path: Path) -> None:
    import _json
    import ctypes

    content = Path(_json.__file__).read_bytes()
    trimmed = elf.trimmed(content)
    assert len(trimmed) < len(content)
    (tmp_path / "trimmed.so").write_bytes(trimmed)
    assert ctypes.PyDLL(str(tmp_path / "trimmed.so")).PyInit__json
    assert elf.trimmed(trimmed[:200]) == trimmed[:200], "what cannot be read stays as it is"
    assert not elf.is_elf(b"MZ")


# --------------------------------------------------------------------------------- the licensed one


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
    alone = ["unshare", "-n"] if shutil.which("unshare") else []
    if alone and subprocess.run([*alone, "true"], check=False).returncode:
        alone = []  # no namespace may be made here: then it is only told no Python
    here = [shutil.which(alone[0]), *alone[1:]] if alone else []
    user.variables["MYTOOL_MACHINE"] = "desk-1"  # tests may run where no machine can be told
    request, text = tmp_path / "request", tmp_path / "text"
    text.write_text("one two three")
    done = user.run(*here, mytool.output, text)
    assert (done.returncode, "no license on this machine" in done.stderr) == (1, True)
    user.says(*here, mytool.output, "--activate", "--output", request)
    answer = Publisher().answer(request.read_text(), issued=int(time.time()))
    (tmp_path / "license.lic").write_text(answer)
    assert "activated" in user.says(*here, mytool.output, "--activate", tmp_path / "license.lic")
    assert user.says(*here, mytool.output, text) == "3 words"
    assert '"words": 3' in user.says(*here, mytool.output, text, "--json")


def test_compiled_packages_bring_what_they_require(user: User, tmp_path: Path) -> None:
    """`cryptography` imports `_cffi_backend` from compiled code, where no import can be read."""
    project = write_hello(tmp_path / "project", "1.0")
    (project / "src/hello/__init__.py").write_text(
        "from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey as Key\n"
        "def main():\n    print(len(Key.from_private_bytes(bytes(32)).sign(b'')))\n"
    )
    built = build(project, tmp_path / "hello")
    assert {"cffi", "cryptography"} <= set(built.distributions)
    assert user.says(built.output) == "64"


# ---------------------------------------------------------------------------------- what is refused


def collected(project: Path, out: Path, **options: object) -> Found:
    out.mkdir()
    program = read_program(project, script=None, entry=None)
    return collect(program, Wanted(PYTHON, **options), out)  # type: ignore[arg-type]


def test_only_what_is_used_is_taken(tmp_path: Path) -> None:
    found = collected(write_hello(tmp_path / "project", "1.0"), tmp_path / "out")
    assert found.packages == ("hello",)
    assert "multiprocessing.pool" in found.standard
    assert not {"ssl", "_hashlib", "unittest", "tkinter", "pdb"} & set(found.standard)


def test_openssl_is_taken_where_it_is_used(tmp_path: Path) -> None:
    project = write_hello(tmp_path / "project", "1.0")
    (project / "src/hello/key.py").write_text("import hashlib\nhashlib.scrypt\n")
    (project / "src/hello/__init__.py").write_text("from hello import key\ndef main(): pass\n")
    assert "_hashlib" in collected(project, tmp_path / "out").standard


def test_what_only_type_checkers_import_is_left_out(tmp_path: Path) -> None:
    project = write_hello(tmp_path / "project", "1.0")
    (project / "src/hello/__init__.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import ssl\ndef main(): pass\n"
    )
    assert "ssl" not in collected(project, tmp_path / "out").standard


def test_a_module_can_be_put_in_and_left_out(tmp_path: Path) -> None:
    project = write_hello(tmp_path / "project", "1.0")
    found = collected(project, tmp_path / "a", include=("wave",), exclude=("multiprocessing",))
    assert "wave" in found.standard
    assert "multiprocessing" not in found.standard


@pytest.mark.parametrize(
    "text, options, told",
    [
        ("", {}, "no [project.scripts]"),
        ("[project", {}, "is no TOML"),
        ("[project.scripts]\na = 'x:y'\nb = 'x:z'", {}, "several"),
        ("[project.scripts]\na = 'x:y'", {"script": "b"}, "has no 'b'"),
        ("[project.scripts]\na = 'x.y'", {}, "expected package.module:function"),
        ("[project.scripts]\na = 'x:y'\n[tool.solvent.build-cli]\ninclude='z'", {}, "include"),
        ("[project.scripts]\n'a b' = 'x:y'", {}, "cannot be a program's name"),
    ],
)
def test_a_project_that_is_no_program_is_told_why(
    tmp_path: Path, text: str, options: dict[str, str], told: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(NotAProgram) as caught:
        read_program(tmp_path, **{"script": None, "entry": None, **options})
    assert told in str(caught.value)


def test_a_program_whose_module_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project.scripts]\na = 'absent.cli:main'")
    with pytest.raises(CannotCollect):
        collected(tmp_path, tmp_path / "out")


def test_a_python_that_is_none_is_told(tmp_path: Path) -> None:
    program = read_program(write_hello(tmp_path / "p", "1"), script=None, entry=None)
    with pytest.raises(CannotCollect, match="No such file"):
        collect(program, Wanted(tmp_path / "python"), tmp_path)
