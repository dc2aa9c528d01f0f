"""Does what is kept stay on its machine, whole, and closed to others?"""

import importlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import types
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest
from publisher import KEY, OTHER_MACHINE, VALUES, Computer
from test_activation import refused

from solvent_client.licensing import crypto, store
from solvent_client.licensing.store import Safe, Unreadable


@pytest.fixture
def safe(tmp_path):
    return Safe(tmp_path / "a" / "license.safe", VALUES)


def why(safe):
    with pytest.raises(Unreadable) as caught:
        safe.load()
    return caught.value.reason


def test_what_is_kept_comes_back_and_is_not_readable_in_the_file(safe):
    assert safe.load() is None
    safe.save({"secret": "correct horse"})
    assert safe.load() == {"secret": "correct horse"}
    assert b"horse" not in safe.path.read_bytes()
    assert stat.S_IMODE(safe.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(safe.path.parent.stat().st_mode) == 0o700


def test_a_store_copied_to_another_machine_stays_shut(safe):
    safe.save({"a": 1})
    assert why(safe._replace(values=OTHER_MACHINE)) == "store_copied"
    assert why(safe._replace(values={})) == "store_copied"


def test_a_new_part_of_the_machine_does_not_lock_its_owner_out(safe):
    safe.save({"a": 1})
    assert safe._replace(values={**VALUES, "mac": "new"}).load() == {"a": 1}
    assert why(safe._replace(values={**VALUES, "mac": "new", "disk": "new"})) == "store_copied"


def test_every_flipped_byte_is_noticed(safe):
    safe.save({"a": 1})
    whole = safe.path.read_bytes()
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1 << at % 8
        safe.path.write_bytes(changed)
        if (reason := told_by(safe)) is not None:  # else a wrapping of another group was hit
            assert reason in {"store_damaged", "store_copied", "store_locked"}


def told_by(safe):
    """Return why a store does not open; where it does, it holds what was kept."""
    try:
        found = safe.load()
    except Unreadable as error:
        return error.reason
    assert found == {"a": 1}
    return None


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"version": 2}'])
def test_what_is_no_store_is_damaged(safe, content):
    safe.save({"a": 1})
    safe.path.write_bytes(content)
    assert why(safe) == "store_damaged"


def test_an_interrupted_write_leaves_what_was_there(safe):
    safe.save({"a": 1})
    safe.path.with_name(f".{safe.path.name}.1.dead").write_bytes(b"half")
    assert safe.load() == {"a": 1}


def test_a_store_of_others_of_the_same_product_is_not_taken(active, other):
    """The whole of both folders is copied to another machine."""
    shutil.copytree(active.disk, other.disk)
    assert other.reason() == "store_copied"
    other.values |= {"machine_id": VALUES["machine_id"]}
    assert other.reason() == "store_copied"


@pytest.mark.parametrize("folder", ["data", "state"])
def test_a_deleted_store_is_noticed_and_a_new_activation_helps(active, publisher, folder):
    shutil.rmtree(active.disk / folder)
    assert active.reason() == "store_deleted"
    licensing = active.licensing()
    licensing.activate(publisher.answer(licensing.request(license_key=KEY)))
    assert active.reason() is None


def test_a_damaged_store_is_told_apart_and_a_new_activation_helps(active, publisher):
    (active.disk / "data" / "license.safe").write_bytes(b"{")
    assert active.reason() == "store_damaged"
    licensing = active.licensing()
    licensing.activate(publisher.answer(licensing.request(license_key=KEY)))
    assert active.reason() is None


@pytest.fixture
def nobody():
    """Be a user who may not write everywhere, as root may."""
    if os.getuid() == 0:
        os.seteuid(65534)
    yield
    os.seteuid(os.getuid())


def test_a_read_only_home_still_runs(nobody, publisher):
    with tempfile.TemporaryDirectory() as home:
        machine = Computer(Path(home, "disk"))
        licensing = machine.licensing()
        licensing.activate(publisher.answer(licensing.request(license_key=KEY)))
        for folder in ("data", "state"):
            (machine.disk / folder).chmod(0o500)
        machine.later(3600)
        assert machine.reason() is None
        assert refused(licensing.request, license_key=KEY) == "store_not_writable"
        for folder in ("data", "state"):
            (machine.disk / folder).chmod(0o700)


def test_a_home_that_cannot_be_written_is_told(computer, tmp_path):
    (tmp_path / "disk").write_text("a file where the folder should be")
    assert refused(computer.licensing().request, license_key=KEY) == "store_not_writable"


def test_many_at_once_lose_nothing(active, publisher):
    licensing = active.licensing()
    request = licensing.request(license_key=KEY)
    meters = {"pages": {"limit": 40}}
    licensing.activate(publisher.answer(request, meters=meters))

    def use(_):
        return active.licensing().require().use("pages")

    with ThreadPool(8) as pool:
        taken = pool.map(use, range(60))
    assert sum(taken) == 40
    assert active.licensing().require().meter("pages").used == 40


# ------------------------------------------------------------------------------------- the key ring


class Ring(types.ModuleType):
    """A key ring as the package `keyring` shows one."""

    def __init__(self):
        super().__init__("keyring")
        self.kept = {}
        self.locked = False

    def set_password(self, service, entry, secret):
        self.kept[service, entry] = secret

    def get_password(self, service, entry):
        if self.locked:
            raise RuntimeError("locked")
        return self.kept.get((service, entry))


@pytest.fixture
def ring(monkeypatch):
    found = Ring()
    monkeypatch.setitem(sys.modules, "keyring", found)
    return found


def test_the_key_ring_keeps_the_key_where_there_is_one(ring, safe):
    safe = safe._replace(ring="mytool")
    safe.save({"a": 1})
    assert "wraps" not in json.loads(safe.path.read_bytes())
    assert safe.load() == {"a": 1}
    ring.locked = True
    assert why(safe) == "store_locked"
    ring.locked = False
    ring.kept.clear()
    assert why(safe) == "store_locked"


def test_without_a_key_ring_the_file_keeps_the_key(ring, safe):
    ring.locked = True
    safe = safe._replace(ring="mytool")
    safe.save({"a": 1})
    assert safe.load() == {"a": 1}


# ------------------------------------------------------------------------------------------ sealing


def test_sealing_is_different_each_time_and_opens_with_its_key_alone():
    key = os.urandom(32)
    one, two = crypto.seal(key, b"text"), crypto.seal(key, b"text")
    assert one != two
    assert crypto.unseal(key, one) == b"text"
    assert crypto.unseal(os.urandom(32), one) is None
    assert crypto.unseal(key, one[:-1]) is None
    assert crypto.unseal(key, b"") is None


def test_places_are_apart(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", "relative/is/not/taken")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    data, state = (store.home_of("mytool", what=what) for what in ("data", "state"))
    assert data.is_absolute()
    assert data != state
    if sys.platform == "linux":
        assert state.is_relative_to(tmp_path)


def test_the_import_is_fast_and_pulls_in_neither_network_nor_cryptography():
    code = (
        "import sys; import solvent_client.licensing, solvent_client.licensing.commands;"
        "print([one for one in ('ssl', 'socket', 'http.client', 'asyncio', 'cryptography',"
        " 'dataclasses', 'subprocess', 'logging') if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert importlib.import_module("solvent_client.licensing").__all__
