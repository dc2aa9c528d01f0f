"""Do the directories lie where they can be used, and is nobody else's data ever taken?"""

import json
import os
import shutil

import pytest

from solvent.app.supervisor.access import (
    EngineAccess,
    NatsAccess,
    nats_url_access,
    read_access,
    socket_access,
    url_access,
    wait_for_access,
    write_access,
)
from solvent.app.supervisor.errors import DataInUse, DataRefused, EngineFailed, SettingInvalid
from solvent.app.supervisor.handoff import VARIABLE, decode, encode
from solvent.app.supervisor.layout import MAX_SOCKET_BYTES, DataLock, lay_out, socket_directory
from solvent.app.supervisor.private_files import keep_password, write_private
from solvent.app.supervisor.settings import EngineSettings, UpSettings


@pytest.fixture
def layout(tmp_path):
    return lay_out(tmp_path / "data", None, state_dir=tmp_path / "state")


def test_directories_are_private_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        made = lay_out(tmp_path / "data", None, state_dir=tmp_path / "state")
    finally:
        os.umask(before)
    for path in (made.data, made.secrets, made.run, made.log, made.files, made.nats):
        assert path.stat().st_mode & 0o777 == 0o700, path


@pytest.mark.parametrize("kind", ["file", "in a file"])
def test_a_path_that_is_no_directory_is_refused(tmp_path, kind):
    (tmp_path / "taken").write_text("")
    path = tmp_path / "taken" / "data" if kind == "in a file" else tmp_path / "taken"
    with pytest.raises(DataRefused, match="cannot be the data directory"):
        lay_out(path, None, state_dir=tmp_path)


def test_a_long_path_gets_a_short_socket_and_keeps_it(tmp_path):
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    made = lay_out(deep, None, state_dir=tmp_path)
    short = socket_directory(made, None)
    try:
        assert len(os.fsencode(short / ".s.PGSQL.5432.lock")) <= MAX_SOCKET_BYTES
        assert short.stat().st_mode & 0o777 == 0o700
        assert socket_directory(made, None) == short
        short.rmdir()
        again = socket_directory(made, None)
        assert again != short
    finally:
        shutil.rmtree(short, ignore_errors=True)
        shutil.rmtree(again, ignore_errors=True)


def test_a_lock_is_exclusive_until_released(layout):
    first = DataLock(layout.engines)
    with pytest.raises(DataInUse, match=rf"process {os.getpid()}\)"):
        DataLock(layout.engines)
    first.release()
    DataLock(layout.engines).release()


def test_a_copy_does_not_take_the_engines_of_its_original(tmp_path):
    original, copy, place = tmp_path / "a", tmp_path / "b", tmp_path / "place"
    for path in (original, copy, place):
        path.mkdir()
    (place / "belongs-to").write_text(f"{original}\n")
    for path in (original, copy):
        (path / "engines-are-at").write_text(f"{place}\n")
    with pytest.raises(DataRefused, match=r"is a copy: its engines at .* belong to"):
        lay_out(copy, None, state_dir=tmp_path)
    shutil.rmtree(original)  # it was moved, not copied
    assert lay_out(copy, None, state_dir=tmp_path).engines == place


def test_a_pointer_to_nothing_is_refused(tmp_path):
    (tmp_path / "engines-are-at").write_text("/no/such/place\n")
    with pytest.raises(DataRefused, match="no engines are there"):
        lay_out(tmp_path, None, state_dir=tmp_path)


def test_passwords_are_made_once_and_differ(tmp_path):
    first = keep_password(tmp_path / "a")
    assert keep_password(tmp_path / "a") == first
    assert keep_password(tmp_path / "b") != first
    assert len(first) == 48
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_a_private_file_does_not_follow_a_link_laid_for_it(tmp_path):
    target = tmp_path / "target"
    target.write_text("untouched")
    (tmp_path / "file").symlink_to(target)
    write_private(tmp_path / "file", "ours")
    assert target.read_text() == "untouched"
    assert not (tmp_path / "file").is_symlink()


def test_access_is_read_as_it_was_written(tmp_path):
    access = EngineAccess(
        socket_access(tmp_path / "a socket", secrets=tmp_path), NatsAccess("nats://h:1", "u", "p")
    )
    file = tmp_path / "engines.json"
    write_access(file, access)
    assert read_access(file) == access
    assert "a%20socket" in access.postgres.app_dsn
    assert wait_for_access(file, within_s=0) == access


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"postgres": {}, "nats": {}})])
def test_a_broken_descriptor_is_named(tmp_path, text):
    file = tmp_path / "engines.json"
    file.write_text(text)
    with pytest.raises(EngineFailed, match=r"engines\.json is not a descriptor"):
        read_access(file)


def test_waiting_for_access_is_bounded(tmp_path):
    with pytest.raises(EngineFailed, match="did not appear"):
        wait_for_access(tmp_path / "never", within_s=0.02)


def test_roles_of_a_postgres_by_url_keep_its_place_and_options(tmp_path):
    access = url_access("postgresql://boss:x%40y@db:6432/main?sslmode=require", secrets=tmp_path)
    assert access.owner_dsn == "postgresql://boss:x%40y@db:6432/main?sslmode=require"
    password = (tmp_path / "pg_app.password").read_text().strip()
    assert access.app_dsn == f"postgresql://solvent_app:{password}@db:6432/main?sslmode=require"


@pytest.mark.parametrize(
    "url, expected",
    [
        ("nats://h:4222", NatsAccess("nats://h:4222", None, None)),
        ("tls://u:p%40q@h:4222", NatsAccess("tls://h:4222", "u", "p@q")),
        ("nats://a:1,nats://b:2", NatsAccess("nats://a:1,nats://b:2", None, None)),
    ],
)
def test_credentials_of_a_nats_by_url_are_taken_apart(url, expected):
    assert nats_url_access(url) == expected


def test_settings_survive_the_way_through_the_environment(tmp_path):
    settings = UpSettings(
        engines=EngineSettings(data_dir=tmp_path, user="x"),
        http=("a", "b"),
        environment=(("HOME", "/x"),),
    )
    assert decode({"HOME": "/x", VARIABLE: encode(settings)}) == settings


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"engines": {"data_dir": "/x"}}'])
def test_broken_settings_are_refused(text):
    with pytest.raises(SettingInvalid, match="start it by `solvent up`"):
        decode({} if text is None else {VARIABLE: text})
