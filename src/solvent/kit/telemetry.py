"""What does a running process measure of itself, and where do its traces go?

Metrics are always there, at `/metrics` in Prometheus' text form; traces go to an OTLP endpoint if
one is set and cost nothing otherwise. Metric names stand here, so that no two mean the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from functools import cache
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


@cache
def start_tracing(endpoint: str, service: str) -> None:
    """Send traces to an OTLP/HTTP endpoint from now on, in batches, from a thread of its own."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - 8 MB
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - only where it is on
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - as above

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracing.append(provider.get_tracer("solvent"))
