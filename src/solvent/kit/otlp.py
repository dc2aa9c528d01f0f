"""How do traces, metrics and logs of a process reach an OpenTelemetry collector?

Only imported where an endpoint is set: the SDK and its exporters cost about 15 MB. All three go by
OTLP over HTTP, in batches, from threads of their own; a collector that is away costs nothing but
what it misses. Metrics are those of `/metrics`, read when they are due.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from opentelemetry._logs import set_logger_provider
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Tracer
from prometheus_client import CollectorRegistry

METRICS_EVERY_MS = 15_000
SUMMED = ("_total", "_sum", "_count")
"""Samples that only ever grow; a histogram's buckets stay at /metrics."""


def start(endpoint: str, service: str, registry: CollectorRegistry) -> Tracer:
    """Export from now on to the collector at `endpoint`; return the tracer."""
    base, resource = endpoint.rstrip("/"), Resource.create({"service.name": service})
    _start_logs(base, resource)
    _start_metrics(base, resource, registry)
    provider = TracerProvider(resource=resource)
    exporter = OTLPSpanExporter(endpoint=f"{base}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider.get_tracer("solvent")


def _start_logs(base: str, resource: Resource) -> None:
    provider = LoggerProvider(resource=resource)
    exporter = OTLPLogExporter(endpoint=f"{base}/v1/logs")
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    set_logger_provider(provider)
    logging.getLogger().addHandler(LoggingHandler(logger_provider=provider))


def _start_metrics(base: str, resource: Resource, registry: CollectorRegistry) -> None:
    exporter = OTLPMetricExporter(endpoint=f"{base}/v1/metrics")
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=METRICS_EVERY_MS)
    meter = MeterProvider([reader], resource).get_meter("solvent")
    for family in registry.collect():
        if family.type == "gauge":
            meter.create_observable_gauge(family.name, [_read(registry, family.name)])
        else:
            _watch_sums(meter, registry, family.name)


def _watch_sums(meter: Meter, registry: CollectorRegistry, family: str) -> None:
    for suffix in SUMMED:
        meter.create_observable_counter(f"{family}{suffix}", [_read(registry, f"{family}{suffix}")])


def _read(
    registry: CollectorRegistry, name: str
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    """Return what reads the present samples of this name."""

    def observe(options: CallbackOptions) -> Iterable[Observation]:
        del options
        for family in registry.restricted_registry([name]).collect():
            for sample in family.samples:
                if sample.name == name:
                    yield Observation(sample.value, dict(sample.labels))

    return observe
