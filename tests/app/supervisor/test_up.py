"""Does `solvent up` start everything, survive any death in it, and stop in order?"""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import asyncpg
import nats
import pytest

from solvent.app.supervisor.access import read_access
from solvent.app.supervisor.birth import birth_of

STUB = (sys.executable, str(Path(__file__).with_name("stubs.py")))
PROCESSES = ("postgres", "nats", "http", "worker")


async def write_row(dsn, text):
    connection = await asyncpg.connect(dsn)
    await connection.execute("create table if not exists kept (what text)")
    await connection.execute("insert into kept values ($1)", text)
    await connection.close()


async def read_rows(dsn):
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch("select what from kept order by what")
    await connection.close()
    return [row["what"] for row in rows]


async def client(access):
    return await nats.connect(access.url, user=access.user, password=access.password)


def test_up_tells_where_it_is_and_stops_in_order(up):
    running = up(config="/etc/solvent.toml")
    told = running.wait("up")
    assert told["url"] == f"http://127.0.0.1:{running.settings.port}"
    assert told["sign_in"] == "http://localhost/sign-in?once=1"
    assert (running.data / "run" / "api-url").read_text().strip() == told["url"]
    assert (running.data / "run" / "config-file").read_text().strip() == "/etc/solvent.toml"
    assert running.stop() == 0
    stopped = [event["process"] for event in running.events("stopped")]
    assert stopped == ["worker", "http", "nats", "postgres"]
    assert list((running.data / "run").glob("config-*")) == []
    assert not (running.data / "run" / "engines.json").exists()


def test_secrets_are_for_their_owner_alone(up):
    running = up()
    running.wait("up")
    for path in (running.data / "secrets").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path
    assert (running.data / "secrets").stat().st_mode & 0o777 == 0o700
    assert (running.data / "run" / "engines.json").stat().st_mode & 0o777 == 0o600
    assert (running.data / "log" / "http.log").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("process", PROCESSES)
def test_every_process_killed_is_started_again(up, process):
    running = up()
    running.wait("up")
    os.kill(running.pid(process), signal.SIGKILL)
    assert running.wait("ended", process=process)["reason"] == "killed by SIGKILL"
    back = "started" if process == "worker" else "ready"
    running.wait(back, process=process, count=2)
    assert running.stop() == 0


async def test_what_was_acknowledged_outlives_killed_engines(up, until):
    running = up()
    running.wait("up")
    access = read_access(running.data / "run" / "engines.json")
    await write_row(access.postgres.owner_dsn, "before")
    connection = await client(access.nats)
    await connection.jetstream().add_stream(name="kept", subjects=["kept.*"])
    await connection.jetstream().publish("kept.one", b"before")
    await connection.close()

    for process in ("postgres", "nats"):
        os.kill(running.pid(process), signal.SIGKILL)
        running.wait("ready", process=process, count=2)

    assert await read_rows(access.postgres.owner_dsn) == ["before"]
    connection = await client(read_access(running.data / "run" / "engines.json").nats)
    held = await connection.jetstream().get_msg("kept", seq=1)
    await connection.close()
    assert held.data == b"before"


async def test_after_its_own_death_the_next_one_recovers(up, until):
    first = up()
    first.wait("up")
    access = read_access(first.data / "run" / "engines.json")
    await write_row(access.postgres.owner_dsn, "before")
    births = [birth_of(first.pid(process)) for process in PROCESSES]
    first.process.kill()
    first.process.wait()

    second = up(port=first.settings.port, http=first.settings.http)
    second.wait("up")
    assert not [birth for birth in births if birth_of(birth.pid) == birth]
    access = read_access(second.data / "run" / "engines.json")
    assert await read_rows(access.postgres.owner_dsn) == ["before"]


def test_two_on_one_directory_are_refused(up):
    first = up()
    first.wait("up")
    second = up()
    assert second.process.wait(20) == 1
    refusal = second.events("refused")[-1]
    assert refusal["code"] == "supervisor.data_in_use"
    assert f"already running on {first.data} (process {first.process.pid})" in refusal["text"]
    assert first.process.poll() is None
    assert first.stop() == 0


def test_second_interrupt_forces_the_stop(up, until):
    running = up(worker=(*STUB, "stubborn"), stop_within_s=600.0)
    running.wait("up")
    log = running.data / "log" / "worker.log"
    until(lambda: log.read_text() == "deaf\n")
    running.process.send_signal(signal.SIGINT)
    until(lambda: running.process.poll() is None)
    with pytest.raises(AssertionError):
        until(lambda: running.process.poll() is not None, within_s=0.3)
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(10) == 0


def test_interrupt_while_starting_leaves_nothing(up, until):
    running = up(http=("/bin/sleep", "1000"))
    running.wait("ready", process="postgres")
    pid = running.pid("postgres")
    assert running.stop(signal.SIGTERM) == 0
    assert birth_of(pid) is None


def test_failed_migrations_end_it_with_their_log(up):
    running = up(migrate=(*STUB, "fail"))
    assert running.process.wait(30) == 1
    failure = running.events("failed")[0]["text"]
    assert "the migrations failed" in failure
    assert "no such table: nothing" in failure


def test_a_process_that_never_starts_ends_it(up):
    running = up(http=("/bin/sh", "-c", "echo boom; exit 7"))
    assert running.process.wait(30) == 1
    assert "http does not start" in running.events("failed")[0]["text"]
    assert "boom" in running.events("failed")[0]["text"]
    assert running.events("ended")[0]["reason"] == "exit status 7"


def test_a_taken_port_is_named(up):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = up(port=port)
        assert running.process.wait(20) == 2
    assert f"http.port: {port}" in running.events("refused")[0]["text"]


@pytest.mark.parametrize("host", ["nowhere.invalid", "203.0.113.7"])
def test_a_host_that_is_not_this_machine_is_named(up, host):
    running = up(host=host)
    assert running.process.wait(20) == 2
    assert f" on {host}: " in running.events("refused")[0]["text"]


def test_nats_port_taken_in_between_is_changed_and_told(up, until):
    running = up()
    running.wait("up")
    url = f"http://127.0.0.1:{running.settings.port}/"
    before = urllib.request.urlopen(url).read().decode()
    os.kill(running.pid("nats"), signal.SIGSTOP)
    os.kill(running.pid("nats"), signal.SIGKILL)
    port = int(before.rpartition(":")[2])

    def take():
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            return None

    with until(take, what="the port of NATS"):
        running.wait("ready", process="nats", count=2)
        if read_access(running.data / "run" / "engines.json").nats.url == before:
            pytest.skip("NATS was back before the test could take its port")
        running.wait("ready", process="http", count=2)
        after = urllib.request.urlopen(url).read().decode()
    assert after != before


async def test_engines_by_url_are_not_started(up, engines):
    urls = {"postgres": engines.access.postgres.owner_dsn, "nats": "nats://u:p@127.0.0.1:4222"}
    running = up(engines=urls)
    running.wait("up")
    assert {event["process"] for event in running.events("ready")} == {"http"}
    access = read_access(running.data / "run" / "engines.json")
    assert access.postgres.owner_dsn == engines.access.postgres.owner_dsn
    assert (access.nats.url, access.nats.user) == ("nats://127.0.0.1:4222", "u")
    assert not (running.data / "pg").exists()


def test_port_zero_takes_a_free_one_and_tells_the_api(up):
    running = up(port=0, http=(*STUB, "http_from_environment"))
    url = running.wait("up")["url"]
    assert urllib.request.urlopen(f"{url}/readyz").status == 200  # noqa: S310 - our own


def test_it_stays_small(up):
    running = up()
    running.wait("up")
    with pathlib.Path(f"/proc/{running.process.pid}/status").open(encoding="utf-8") as status:
        rss_kb = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    assert rss_kb < 25 * 1024


def test_without_settings_it_says_how_to_start_it():
    done = subprocess.run(
        [sys.executable, "-m", "solvent.app.supervisor"], env={}, capture_output=True, check=False
    )
    assert done.returncode == 2
    assert b"solvent up" in done.stderr
