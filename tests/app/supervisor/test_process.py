"""Is a process told from a stranger with its number, and does it die with its parent?"""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from solvent.app.supervisor.birth import birth_of, end, forget, living_in, recall, remember
from solvent.app.supervisor.errors import EngineFailed
from solvent.app.supervisor.process import Child, Spec

SLEEP = ("/bin/sleep", "1000")


@pytest.fixture
def child(tmp_path):
    made = Child(spec(tmp_path))
    yield made
    made.kill()


def spec(tmp_path, *argv, **more):
    return Spec(
        name="x",
        argv=lambda: argv or SLEEP,
        log=tmp_path / "x.log",
        pid_file=tmp_path / "x.pid",
        **more,
    )


def test_a_process_is_known_by_its_birth(tmp_path, child):
    child.start()
    assert recall(tmp_path / "x.pid").pid == child.pid
    child.kill()
    assert recall(tmp_path / "x.pid") is None


def test_a_stranger_with_the_number_is_not_taken_for_it(tmp_path):
    file = tmp_path / "x.pid"
    remember(file, os.getpid())
    held = json.loads(file.read_text())
    file.write_text(json.dumps({**held, "born": "earlier"}))
    assert recall(file) is None


@pytest.mark.parametrize("text", ["", "12", "{}", '{"pid": "x", "born": 1}', "[1]", "\x00"])
def test_a_broken_pid_file_names_nobody(tmp_path, text):
    file = tmp_path / "x.pid"
    file.write_text(text)
    assert recall(file) is None
    forget(file)
    assert not file.exists()


def test_another_process_is_ended_by_force_at_last(tmp_path, until):
    deaf = "trap '' TERM; touch deaf; while :; do sleep 0.05; done"
    process = subprocess.Popen(["/bin/sh", "-c", deaf], cwd=tmp_path)
    until((tmp_path / "deaf").exists)
    birth = birth_of(process.pid)
    assert birth in living_in(tmp_path)
    assert end(birth, ((signal.SIGTERM, 0.1), (signal.SIGKILL, 5.0)))
    assert process.wait(5) == -signal.SIGKILL


def test_a_child_dies_with_its_parent(tmp_path, until):
    if sys.platform != "linux":
        pytest.skip("only Linux tells a process of its parent's death")
    parent = (
        "import pathlib, sys, time\n"
        "from solvent.app.supervisor.process import Child, Spec\n"
        "here = pathlib.Path(sys.argv[1])\n"
        "child = Child(Spec(name='x', argv=lambda: ('/bin/sleep', '1000'),"
        " log=here / 'x.log', pid_file=here / 'x.pid'))\n"
        "child.start()\n"
        "time.sleep(1000)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", parent, str(tmp_path)])
    birth = until(lambda: recall(tmp_path / "x.pid"))
    process.kill()
    process.wait()
    until(lambda: birth_of(birth.pid) != birth)


def test_a_program_that_is_not_there_is_named(tmp_path):
    with pytest.raises(EngineFailed, match=r"x cannot be started: .*no-such-program"):
        Child(spec(tmp_path, "/no-such-program")).start()


def test_a_process_that_ends_at_once_shows_its_log(tmp_path):
    made = Child(spec(tmp_path, "/bin/sh", "-c", "echo why; exit 4", ready=lambda _pid: False))
    made.start()
    with pytest.raises(EngineFailed, match=r"ended with status 4:\n  why"):
        made.wait_ready(within_s=10)


def test_waiting_is_bounded(tmp_path, child):
    slow = Child(spec(tmp_path, *SLEEP, ready=lambda _pid: False))
    slow.start()
    began = time.monotonic()
    with pytest.raises(EngineFailed, match=r"not ready in 0\.05 s"):
        slow.wait_ready(within_s=0.05)
    assert time.monotonic() >= began + 0.05
    slow.kill()
