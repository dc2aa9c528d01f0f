"""Do the logs stay small without losing what was written last?"""

import os
import sys

from solvent.app.supervisor.process import Child, Spec
from solvent.app.supervisor.rotation import rotate


def test_a_short_or_absent_log_is_left_alone(tmp_path):
    log = tmp_path / "x.log"
    assert rotate([log], max_bytes=3, keep=2) == []
    log.write_text("abc")
    assert rotate([log], max_bytes=3, keep=2) == []


def test_the_last_pieces_are_kept(tmp_path):
    log = tmp_path / "x.log"
    for text in ("first", "second", "third"):
        log.write_text(text)
        assert rotate([log], max_bytes=1, keep=2) == [log]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.log", "x.log.1", "x.log.2"]
    assert [(tmp_path / f"x.log{n}").read_text() for n in ("", ".1", ".2")] == [
        "",
        "third",
        "second",
    ]


def test_pieces_are_as_private_as_the_log(tmp_path):
    log = tmp_path / "x.log"
    log.write_text("abc")
    log.chmod(0o600)
    rotate([log], max_bytes=1, keep=1)
    assert (tmp_path / "x.log.1").stat().st_mode & 0o777 == 0o600


def test_a_process_goes_on_at_the_start_of_the_cut_file(tmp_path, until):
    log, go = tmp_path / "x.log", tmp_path / "go"
    program = (
        "import pathlib, time\n"
        "print('before', flush=True)\n"
        f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)\n"
        "print('after', flush=True)\n"
    )
    spec = Spec(
        name="x",
        argv=lambda: (sys.executable, "-c", program),
        log=log,
        pid_file=tmp_path / "x.pid",
        environment=dict(os.environ),
    )
    child = Child(spec)
    child.start()
    until(lambda: log.read_text() == "before\n")
    rotate([log], max_bytes=1, keep=1)
    go.touch()
    until(lambda: not child.running)
    child.stop()
    assert log.read_text() == "after\n"
    assert (tmp_path / "x.log.1").read_text() == "before\n"
