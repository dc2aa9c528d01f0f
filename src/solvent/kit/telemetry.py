"""What does a running process measure of itself, and where do its traces go?

Metrics are always there, at `/metrics` in Prometheus' text form; traces, metrics and logs go to an
OTLP endpoint if one is set, and nothing is loaded for it otherwise. Metric names stand here, so
that no two mean the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

METRICS = CollectorRegistry()
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

HTTP_REQUESTS = Counter(
    "solvent_http_requests", "Requests answered.", ["route", "status"], registry=METRICS
)
HTTP_SECONDS = Histogram(
    "solvent_http_request_seconds", "Time to answer.", ["route"], buckets=SECONDS, registry=METRICS
)
REFUSALS = Counter(
    "solvent_refusals", "Requests refused, by the stable reason.", ["code"], registry=METRICS
)
EVENTS_PUBLISHED = Counter(
    "solvent_bus_events_published", "Events carried to the log.", registry=METRICS
)
HANDLER_FAILURES = Counter(
    "solvent_bus_handler_failures",
    "Events that a handler failed on.",
    ["handler"],
    registry=METRICS,
)
DEAD_LETTERS = Counter(
    "solvent_bus_dead_letters", "Events that a handler gave up.", ["handler"], registry=METRICS
)
JOBS_RUN = Counter("solvent_jobs_run", "Jobs run.", ["job", "outcome"], registry=METRICS)
WEBHOOK_ATTEMPTS = Counter(
    "solvent_webhook_attempts", "Webhooks sent, by outcome.", ["outcome"], registry=METRICS
)
RECONCILED = Counter(
    "solvent_payments_differences",
    "What a payment provider had and we had not, by kind.",
    ["provider", "kind"],
    registry=METRICS,
)
DOOR_EVENTS = Counter(
    "solvent_door_events",
    "Usage events that foreign clients sent, by what became of them.",
    ["door", "outcome"],
    registry=METRICS,
)
PROBLEMS = Gauge(
    "solvent_problems",
    "What the hourly look of `solvent doctor` found wrong.",
    ["check"],
    registry=METRICS,
)
BUS_CONNECTED = Gauge("solvent_bus_connected", "1 while the log is connected.", registry=METRICS)

_tracing: list[Tracer] = []


def metrics_text() -> bytes:
    """Return all metrics in Prometheus' text exposition format 0.0.4."""
    return generate_latest(METRICS)


@contextlib.contextmanager
def span(name: str, **attributes: str | int) -> Generator[None]:
    """Trace the work inside, if tracing is on."""
    if not _tracing:
        yield
        return
    with _tracing[0].start_as_current_span(name, attributes=attributes):
        yield


def start_export(endpoint: str, service: str) -> None:
    """Send traces, metrics and logs to an OTLP/HTTP endpoint from now on."""
    from solvent.kit import otlp  # noqa: PLC0415 - the SDK is loaded only where it is used

    _tracing[:] = [otlp.start(endpoint, service, METRICS)]
