"""What does the paywall count of itself?"""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from solvent.kit.telemetry import METRICS

STREAMS = Gauge("solvent_paywall_streams", "Entitlement streams open.", registry=METRICS)
STREAMS_CLOSED = Counter(
    "solvent_paywall_streams_closed", "Streams ended, by reason.", ["reason"], registry=METRICS
)
CHECKS = Counter(
    "solvent_paywall_checks", "Checks and consumptions, by outcome.", ["code"], registry=METRICS
)
