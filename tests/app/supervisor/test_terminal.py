"""Does a person read a story, a machine JSON, and systemd its datagrams?"""

import io
import json
import socket

import pytest

from solvent.app.supervisor.notify import notify
from solvent.app.supervisor.terminal import Terminal


class Screen(io.StringIO):
    def isatty(self):
        return True


def test_a_machine_reads_one_object_a_line():
    out = io.StringIO()
    report = Terminal(out)
    report("ready", process="nats", after_s=0.123456, pid=7)
    report("ended", process="nats", reason="exit status 1", again_in_s=0.1)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["ready", "ended"]
    assert lines[0]["after_s"] == 0.1235
    assert lines[0]["at"].endswith("Z")


def test_a_person_reads_a_story():
    out = Screen()
    report = Terminal(out, color=False)
    report("ready", process="postgres", after_s=0.06)
    report("started", process="worker", after_s=0.0)
    report("ended", process="http", reason="killed by SIGKILL", again_in_s=0.1)
    report("up", url="http://h:1", after_s=1.23, sign_in="http://h:1/in?once")
    report("stopped", process="nats", after_s=0.1)
    assert out.getvalue().splitlines() == [
        "  ✓ PostgreSQL      0.1 s",
        "  ✓ Worker          started",
        "  ! API ended: killed by SIGKILL; again in 0.1 s",
        "",
        "  Solvent is up (1.2 s)",
        "    Console  http://h:1/",
        "    API      http://h:1/v1",
        "    Sign in  http://h:1/in?once  (once)",
        "    Stop     Ctrl-C",
        "",
        "  · NATS JetStream stopped",
    ]


def test_a_closed_terminal_does_not_end_the_supervisor():
    class Gone(Screen):
        def write(self, _text):
            raise BrokenPipeError

    Terminal(Gone())("ready", process="nats", after_s=1.0)


def test_systemd_is_told(tmp_path):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        notify(path, "READY=1")
        assert manager.recv(64) == b"READY=1"


@pytest.mark.parametrize("address", [None, "", "/no/such/socket"])
def test_nobody_to_tell_is_no_failure(address):
    notify(address, "READY=1")
