"""Do traces, metrics and logs reach a collector, and does a collector that is away cost nothing?"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

WORK = """
import logging, sys
from solvent.kit import log, telemetry
log.configure()
telemetry.start_export(sys.argv[1], "solvent-test")
telemetry.JOBS_RUN.labels("test.job", "done").inc(7)
telemetry.BUS_CONNECTED.set(1)
with telemetry.span("work", part="one"):
    log.get_logger("test").info("it_happened", what="a bell rang")
"""


class Collector(ThreadingHTTPServer):
    """Keeps what is exported to it, by path."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.received: dict[str, bytes] = {}


class Receiver(BaseHTTPRequestHandler):
    """Takes one export."""

    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received[self.path] = self.server.received.get(self.path, b"") + body
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        del args


@pytest.fixture
def collector() -> Generator[Collector]:
    with Collector() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def run(endpoint: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WORK, endpoint],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"OTEL_BSP_EXPORT_TIMEOUT": "500", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"},
    )


def test_a_collector_gets_traces_metrics_and_logs(collector: Collector) -> None:
    import gzip

    done = run(f"http://127.0.0.1:{collector.server_port}")
    assert done.returncode == 0, done.stderr
    told = {
        path: gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
        for path, body in collector.received.items()
    }
    assert b"solvent-test" in told["/v1/traces"]
    assert b"work" in told["/v1/traces"]
    assert b"solvent_jobs_run_total" in told["/v1/metrics"]
    assert b"it_happened" in told["/v1/logs"]


def test_a_collector_that_is_away_stops_nothing() -> None:
    done = run("http://127.0.0.1:1")
    assert done.returncode == 0, done.stderr


def test_nothing_of_it_is_loaded_unless_it_is_on() -> None:
    code = (
        "import sys; from solvent.kit import telemetry\n"
        "with telemetry.span('x'): pass\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry.sdk')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
