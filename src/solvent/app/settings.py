"""Which settings does the whole program have?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated

from pydantic import Field

from solvent.kit.config import load, setting
from solvent.systems.payments.settings import PaymentsSection
from solvent.systems.queue.settings import QueueSection
from solvent.systems.webhooks.settings import WebhooksSection

CONFIG_VARIABLE = "SOLVENT_CONFIG"


@dataclass(frozen=True, slots=True)
class EnginesSection:
    """Where the engines are."""

    postgres: str = setting(
        "auto",
        "`auto`, `embedded`, `system` or `pixeltable` to run PostgreSQL, or its owner's URL.",
    )
    nats: str = setting("auto", "`auto`, `embedded` or `system` to run NATS, or its URL.")
    nats_replicas: Annotated[int, Field(ge=1, le=5)] = setting(
        1, "On how many NATS servers each job and event is kept: 1, 3 or 5."
    )
    nats_monitor_urls: tuple[str, ...] = setting(
        (),
        "Monitoring addresses of all NATS servers: with several replicas Solvent starts only if"
        " each says that it syncs always.",
    )
    user: str = setting("", "Account the engines run as when started by root; empty chooses one.")


@dataclass(frozen=True, slots=True)
class HttpSection:
    """Where the API listens, and what it lets in."""

    host: str = setting("127.0.0.1", "Address to listen on.")
    port: Annotated[int, Field(ge=0, le=65_535)] = setting(
        8080, "Port to listen on; 0 takes a free one."
    )
    public_url: str = setting("", "Address that customers and providers use; empty: as listened.")
    base_domains: tuple[str, ...] = setting(
        ("localhost",), "Domains whose subdomains are tenants: `acme.example.com`."
    )
    rate_per_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = setting(
        5000.0, "Requests a second that one caller may make."
    )
    rate_burst: Annotated[int, Field(ge=1)] = setting(
        10000, "Requests that one caller may make at once."
    )
    failures_per_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = setting(
        1.0, "Failures a second to prove an identity (401) that one address may have."
    )
    failures_burst: Annotated[int, Field(ge=1)] = setting(
        60, "Such failures that one address may have at once."
    )
    trusted_proxies: tuple[str, ...] = setting(
        (), "Addresses of proxies whose X-Forwarded-For tells the caller's address."
    )
    operator_key: str = setting("", "Key for /metrics and /debug; empty: loopback only, no debug.")


@dataclass(frozen=True, slots=True)
class LogSection:
    """What is written to the logs."""

    level: Annotated[str, Field(pattern="(?i)^(debug|info|warning|error)$")] = setting(
        "info", "`debug`, `info`, `warning` or `error`."
    )


@dataclass(frozen=True, slots=True)
class TelemetrySection:
    """Where traces, metrics and logs go."""

    otlp_endpoint: str = setting("", "OTLP/HTTP endpoint for traces, metrics and logs; empty: off.")


@dataclass(frozen=True, slots=True)
class SecretsSection:
    """What encrypts the secrets at rest."""

    master_key: str = setting(
        "", "64 hexadecimal digits; several, by commas, during a rotation. Empty: DIR/secrets."
    )


@dataclass(frozen=True, slots=True)
class CatalogueSection:
    """A catalogue file that is loaded at start and again when it changes."""

    file: str = setting("", "Path of a catalogue in TOML; empty: none is watched.")
    tenant: str = setting("", "Slug of the tenant that it belongs to.")


@dataclass(frozen=True, slots=True)
class Settings:
    """The tree: one section a part of the program."""

    engines: EnginesSection = field(default_factory=EnginesSection)
    http: HttpSection = field(default_factory=HttpSection)
    log: LogSection = field(default_factory=LogSection)
    telemetry: TelemetrySection = field(default_factory=TelemetrySection)
    secrets: SecretsSection = field(default_factory=SecretsSection)
    catalogue: CatalogueSection = field(default_factory=CatalogueSection)
    payments: PaymentsSection = field(default_factory=PaymentsSection)
    queue: QueueSection = field(default_factory=QueueSection)
    webhooks: WebhooksSection = field(default_factory=WebhooksSection)

    def sections(self) -> Iterator[object]:
        """Yield every section, for modules to pick their own by its class."""
        for one in fields(self):
            yield getattr(self, one.name)


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Read the file that SOLVENT_CONFIG names, if any, and the environment.

    Raises:
        ConfigInvalid: naming the file, the key and what was expected.
    """
    path = environ.get(CONFIG_VARIABLE)
    return load(Settings, path=Path(path) if path else None, environ=environ)
