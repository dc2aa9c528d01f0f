"""What do the tests of the supervisor share: a place, a running `solvent up`, bounded waits?"""

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from solvent.app.supervisor.handoff import VARIABLE, encode
from solvent.app.supervisor.layout import existing_postgres
from solvent.app.supervisor.probe import free_port
from solvent.app.supervisor.settings import EngineSettings, UpSettings
from solvent.app.testing import fast_directory

STUBS = Path(__file__).with_name("stubs.py")


def until(condition, *, within_s=60.0, what="the condition"):
    """Wait for a true value and return it."""
    end = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < end, f"{what} not within {within_s:g} s"
        time.sleep(0.01)
    return value


@pytest.fixture(name="until", scope="session")
def _until():
    return until


@pytest.fixture
def place():
    """A directory that every user can enter (pytest's own are for their owner alone)."""
    made = Path(tempfile.mkdtemp(prefix="solvent-place-", dir=fast_directory()))
    made.chmod(0o755)
    yield made
    data_dirs = [pointer.parent for pointer in made.rglob("engines-are-at")]
    for data in data_dirs:
        shutil.rmtree(existing_postgres(data).parent, ignore_errors=True)
    shutil.rmtree(made, ignore_errors=True)


class Up:
    """`solvent up` in a process of its own, with stubs in the place of API and worker."""

    def __init__(self, settings, *, out, interpreter=()):
        self.settings = settings
        self.data = settings.engines.data_dir
        self._out = out
        environment = {**os.environ, VARIABLE: encode(settings)}
        python, *source = interpreter or (sys.executable,)
        if source:  # an interpreter without this environment's packages: the supervisor needs none
            packages = sysconfig.get_path("purelib")
            environment["PYTHONPATH"] = os.pathsep.join((*source, packages))
            environment["PATH"] = f"{sysconfig.get_path('scripts')}:{environment['PATH']}"
        with out.open("ab") as file:
            self.process = subprocess.Popen(
                [python, "-m", "solvent.app.supervisor"], env=environment, stderr=file
            )

    @property
    def text(self):
        return self._out.read_text()

    def events(self, name):
        """The reports of this name so far."""
        lines = [json.loads(line) for line in self.text.splitlines() if line.endswith("}")]
        return [line for line in lines if line["event"] == name]

    def wait(self, event, *, count=1, process=None):
        """Wait until the event has been reported so often; return its last report."""

        def seen():
            found = [e for e in self.events(event) if process in {None, e.get("process")}]
            assert self.process.poll() is None or len(found) >= count, self.text
            return found[count - 1 :]

        return until(seen, what=f"{event} of {process or 'any process'}")[0]

    def pid(self, process):
        """The id of a process as last reported."""
        found = [e for name in ("ready", "started") for e in self.events(name)]
        return max((e for e in found if e["process"] == process), key=lambda e: e["at"])["pid"]

    def stop(self, number=signal.SIGINT):
        """Ask for a stop, wait for the end, return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture
def up(place):
    """Start `solvent up`; whatever still runs at the end is stopped."""
    started = []

    def start(*, data="data", engines=None, interpreter=(), **changes):
        settings = UpSettings(
            engines=EngineSettings(data_dir=place / data, **(engines or {})),
            port=free_port(),
            ready_within_s=30.0,
        )
        stub = (interpreter[0] if interpreter else sys.executable, str(STUBS))
        settings = replace(
            settings,
            http=(*stub, "http", str(settings.port)),
            worker=(*stub, "worker"),
            migrate=(*stub, "migrate"),
            sign_in=(*stub, "sign_in"),
        )
        out = place / f"{len(started)}.out"
        started.append(Up(replace(settings, **changes), out=out, interpreter=interpreter))
        return started[-1]

    yield start
    for one in started:
        one.stop()
