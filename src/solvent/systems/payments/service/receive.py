"""May this request in, as a webhook of this tenant's provider, and what is it answered?"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from solvent.kernel.audit import service as audit
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.errors import TenantUnknown
from solvent.kernel.tenants.model import Tenant
from solvent.kit.clock import monotonic_ms
from solvent.kit.ctx import Actor, Edge
from solvent.kit.errors import SolventError
from solvent.kit.log import get_logger
from solvent.systems.payments.errors import EndpointNotFound, EventChanged, WebhookRefused
from solvent.systems.payments.limits import (
    ACCOUNT_CACHE_MAX,
    ACCOUNT_CACHE_S,
    BODY_BYTES_MAX,
    REFUSAL_WINDOW_S,
    REFUSALS_EACH_MAX,
    RELOAD_PAUSE_S,
)
from solvent.systems.payments.model import (
    Admission,
    Arrival,
    Endpoint,
    Envelope,
    EventState,
    Provider,
    Refusal,
    Verified,
)
from solvent.systems.payments.rules import events
from solvent.systems.payments.rules.reading import read_body
from solvent.systems.payments.rules.signature import verify
from solvent.systems.payments.service.accounts import endpoint_of
from solvent.systems.payments.service.inbox import Inbox

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a webhook was sent to: a tenant's slug in the path, or its subdomain as the host."""

    provider: str
    slug: str | None
    host: str
    base_domains: Sequence[str]


@dataclass(slots=True)
class Reception:
    """Receives webhooks; one a process, shared by its requests."""

    edge: Edge
    inbox: Inbox
    refusals: Refusals
    _endpoints: dict[tuple[str, str], tuple[Endpoint, float]] = field(
        default_factory=dict[tuple[str, str], "tuple[Endpoint, float]"]
    )
    _readings: dict[tuple[str, str], asyncio.Task[Endpoint]] = field(
        default_factory=dict[tuple[str, str], "asyncio.Task[Endpoint]"]
    )

    @classmethod
    def at(cls, edge: Edge) -> Reception:
        """Return the reception of a process."""
        return cls(edge, Inbox(edge), Refusals(edge))

    async def receive(self, address: Address, body: bytes, headers: Sequence[str]) -> Admission:
        """Verify a webhook and make it durable; `headers` are all values of the signature header.

        Promises: when it returns, the event is committed, or was before; nothing was done twice.

        Raises:
            EndpointNotFound: no such tenant or provider, or no secret known: always the same.
            WebhookRefused: not genuine, not timely, or no event; recorded in the audit log.
            EventChanged: an accepted event says something else now; recorded as well.
            Unavailable: it could not be made durable; the provider will send it again.
        """
        endpoint = await self._endpoint(address)
        try:
            arrival = await self._read(address, endpoint, body, headers)
        except WebhookRefused as refused:
            await self.refusals.note(endpoint, refused.refusal, body)
            raise
        admission = await self.inbox.take(endpoint.tenant_id, arrival)
        if admission is Admission.CHANGED:
            raise EventChanged(field="id", reason=Refusal.EVENT_CHANGED.value)
        return admission

    async def _read(
        self, address: Address, endpoint: Endpoint, body: bytes, headers: Sequence[str]
    ) -> Arrival:
        verified = await self._verify(address, endpoint, body, headers)
        envelope = events.envelope(endpoint.provider, read_body(body))
        state, reason = _first_state(endpoint, envelope)
        now = self.edge.clock.now()
        return Arrival(endpoint.provider, envelope, body, verified.secret_id, now, state, reason)

    async def _verify(
        self, address: Address, endpoint: Endpoint, body: bytes, headers: Sequence[str]
    ) -> Verified:
        """Check size and signature; a mismatch is checked once more against secrets read anew."""
        if len(body) > BODY_BYTES_MAX:
            raise WebhookRefused(Refusal.BODY_TOO_LARGE, field="body")
        try:
            return self._check(endpoint, body, headers)
        except WebhookRefused as refused:
            if refused.refusal is not Refusal.SIGNATURE_MISMATCH:
                raise
            return self._check(
                await self._endpoint(address, within_s=RELOAD_PAUSE_S), body, headers
            )

    def _check(self, endpoint: Endpoint, body: bytes, headers: Sequence[str]) -> Verified:
        return verify(
            endpoint.provider,
            body,
            headers,
            secrets=endpoint.secrets,
            now=self.edge.clock.now(),
            window_s=endpoint.window_s,
        )

    async def _endpoint(self, address: Address, *, within_s: float = ACCOUNT_CACHE_S) -> Endpoint:
        """Return the endpoint, read at most so long ago; one that is unknown is never kept."""
        key = (address.provider, address.slug or address.host)
        cached = self._endpoints.get(key)
        if cached and monotonic_ms() - cached[1] < within_s * 1000:
            return cached[0]
        self._endpoints.pop(key, None)
        if key not in self._readings:
            self._readings[key] = reading = asyncio.create_task(self._read_endpoint(address, key))
            reading.add_done_callback(lambda _: self._readings.pop(key, None))
        return await asyncio.shield(self._readings[key])

    async def _read_endpoint(self, address: Address, key: tuple[str, str]) -> Endpoint:
        """Read an endpoint, once for all requests that wait for it."""
        at_ms = monotonic_ms()
        provider = _provider(address.provider)
        endpoint = await endpoint_of(self.edge, await self._tenant(address), provider)
        if len(self._endpoints) >= ACCOUNT_CACHE_MAX:
            self._endpoints.clear()
        self._endpoints[key] = (endpoint, at_ms)
        return endpoint

    async def _tenant(self, address: Address) -> Tenant:
        try:
            if address.slug is not None:
                return await tenants.find_by_slug(self.edge, address.slug)
            return await tenants.find_by_host(
                self.edge, address.host, base_domains=address.base_domains
            )
        except TenantUnknown:
            raise EndpointNotFound from None


def _provider(name: str) -> Provider:
    try:
        return Provider(name)
    except ValueError:
        raise EndpointNotFound from None


def _first_state(endpoint: Endpoint, envelope: Envelope) -> tuple[EventState, str | None]:
    if envelope.live is not None and envelope.live is not endpoint.live:
        return EventState.IGNORED, "mode_mismatch"
    if not events.matters(endpoint.provider, envelope.type):
        return EventState.IGNORED, "type_unused"
    return EventState.RECEIVED, None


@dataclass(slots=True)
class _Window:
    began_ms: float
    recorded: int = 0
    suppressed: int = 0


@dataclass(slots=True)
class Refusals:
    """Records refused webhooks; a flood of them becomes one record a minute with their count."""

    edge: Edge
    each_max: int = REFUSALS_EACH_MAX
    window_s: float = REFUSAL_WINDOW_S
    _windows: dict[tuple[str, str, Refusal], _Window] = field(
        default_factory=dict[tuple[str, str, Refusal], "_Window"]
    )
    _closing: set[asyncio.Task[None]] = field(default_factory=set["asyncio.Task[None]"])

    async def note(self, endpoint: Endpoint, refusal: Refusal, body: bytes) -> None:
        """Record this refusal, or count it; never raises: the answer does not depend on it."""
        key = (endpoint.tenant_id, endpoint.provider.value, refusal)
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = _Window(monotonic_ms())
            task = asyncio.create_task(self._close_later(endpoint, key))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        if window.recorded >= self.each_max:
            window.suppressed += 1
            return
        window.recorded += 1
        body_digest = hashlib.sha256(body).hexdigest()
        facts: dict[str, str | int] = {"body_sha256": body_digest, "body_bytes": len(body)}
        await self._record(endpoint, refusal, facts)

    async def _close_later(self, endpoint: Endpoint, key: tuple[str, str, Refusal]) -> None:
        await asyncio.sleep(self.window_s)
        window = self._windows.pop(key)
        if window.suppressed:
            facts: dict[str, str | int] = {"more": window.suppressed}
            facts["within_s"] = round(self.window_s)
            await self._record(endpoint, key[2], facts)

    async def _record(
        self, endpoint: Endpoint, refusal: Refusal, facts: dict[str, str | int]
    ) -> None:
        try:
            await audit.record_refusal(
                self.edge,
                endpoint.tenant_id,
                actor=Actor("provider", endpoint.provider),
                action="payments.webhook_refused",
                subject=f"webhooks/{endpoint.provider}",
                data={"reason": refusal.value, **facts},
            )
        except SolventError:
            log.exception("refusal_unrecorded", reason=refusal.value)
