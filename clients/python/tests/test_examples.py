"""Do the examples run as their pages say, in processes of their own?"""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from emulator import KEY, eventually, quota, record, switch

ROOT = Path(__file__).parents[3]
FEATURES = {"export": switch(), "ingest": quota("10")}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Running:
    def __init__(self, port):
        self.port = port

    def ask(self, method, path, *, customer=None, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        if customer:
            headers["X-Customer"] = customer
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def up(self):
        try:
            return self.ask("GET", "/health")[0] == 200
        except OSError:
            return False


def interrupt(process):
    """Press Ctrl-C until it ends: wsgiref swallows one that comes while it finishes an answer."""
    for _ in range(10):
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=3)
            return
    process.kill()
    process.communicate()
    raise AssertionError("it does not end")


@contextlib.contextmanager
def running(solvent, *command, port=None):
    port = port or free_port()
    environment = os.environ | {"SOLVENT_URL": solvent.url, "SOLVENT_KEY": KEY, "PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        app = Running(port)
        eventually(app.up, within_s=30)
        yield app
    finally:
        interrupt(process)


def test_the_fastapi_example_guards_and_meters(solvent):
    solvent.put(record("ada", features=FEATURES))
    with running(solvent, "examples.fastapi_app") as app:
        assert app.ask("GET", "/export")[0] == 402
        assert app.ask("GET", "/export", customer="bob")[0] == 402
        assert app.ask("GET", "/export", customer="ada")[0] == 200
        assert app.ask("GET", "/nowhere")[0] == 402
        assert app.ask("GET", "/nowhere", customer="ada")[0] == 404
        for _ in range(2):
            status, body = app.ask(
                "POST", "/ingest", customer="ada", body=b"x" * 1500, **{"X-Batch": "b1"}
            )
            assert (status, json.loads(body)) == (200, {"bytes": 1500})
        solvent.put(record("ada", 2, access=False))
        eventually(lambda: app.ask("GET", "/export", customer="ada")[0] == 402)
    assert [(each["id"], each["value"]) for each in solvent.usage.values()] == [
        ("ada:b1", "0.0000015")
    ]


def test_the_fastapi_example_runs_under_uvicorn_by_name(solvent):
    port = free_port()
    command = ["uvicorn", "examples.fastapi_app.main:app", "--port", str(port)]
    with running(solvent, *command, port=port) as app:
        assert app.up()


def test_the_wsgi_example_guards(solvent):
    solvent.put(record("ada", features=FEATURES))
    with running(solvent, "examples.wsgi_app") as app:
        assert app.ask("GET", "/export", customer="bob")[0] == 402
        assert app.ask("GET", "/export", customer="ada")[0] == 200


@pytest.mark.parametrize("example", ["fastapi_app", "wsgi_app"])
def test_without_its_settings_an_example_says_so(example):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SOLVENT_")}
    done = subprocess.run(
        [sys.executable, "-c", f"import examples.{example}.main"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "SOLVENT_URL and SOLVENT_KEY" in done.stderr
