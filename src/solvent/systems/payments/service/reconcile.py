"""What have webhooks not told, and is every payment at the provider in the books?

The provider's own log of events is read from where it was read last, and what is missing goes the
way of every webhook: into the inbox, by its id, once. Then payments, and once a day subscriptions,
are compared with what is here; what can be told from them is mended, the rest is reported.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from solvent.contracts.payments import ChargeSeen as ChargeTold
from solvent.kernel.audit import service as audit
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.errors import PaymentNotFound
from solvent.kernel.ledger.model import Payment
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.model import Mode
from solvent.kit.clock import format_time
from solvent.kit.ctx import SYSTEM, Ctx, Edge
from solvent.kit.errors import SolventError
from solvent.kit.ids import TenantId
from solvent.kit.log import get_logger
from solvent.kit.telemetry import RECONCILED
from solvent.systems.payments.errors import EventMalformed, GatewayKeyMissing
from solvent.systems.payments.limits import (
    RECONCILE_BATCH,
    RECONCILE_FIRST,
    RECONCILE_LISTED_MAX,
    RECONCILE_OVERLAP,
    RECONCILE_QUIET,
    RECONCILE_SUBSCRIPTIONS,
)
from solvent.systems.payments.model import Arrival, EventState, Provider, Standing
from solvent.systems.payments.ports import EventLog, Listed
from solvent.systems.payments.rules import events as reading
from solvent.systems.payments.rules import paddle, stripe
from solvent.systems.payments.rules.reading import read_body
from solvent.systems.payments.service import accounts, apply, customers, disputes, inbox
from solvent.systems.payments.service.checkout import GatewaySource
from solvent.systems.payments.service.money import Payback, book_refunds
from solvent.systems.payments.store import accounts as accounts_store
from solvent.systems.payments.store import cursors as store
from solvent.systems.payments.store import inbox as inbox_store
from solvent.systems.payments.store import refunds as refunds_store
from solvent.systems.payments.store import standing as standing_store
from solvent.systems.payments.store.cursors import Cursor

log = get_logger(__name__)
T = TypeVar("T")

POLLER = "poller"


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that a provider has and we had not, and whether it is mended now."""

    kind: str
    """event_missed, payment_missed, amount_differs, refund_missed or subscription_differs."""
    subject: str
    detail: str
    repaired: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What one look at a provider found."""

    provider: Provider
    since: datetime
    until: datetime
    events: int
    payments: int
    subscriptions: int | None
    """How many were compared; None: this look left them out."""
    differences: tuple[Difference, ...]


@dataclass(slots=True)
class _Found:
    differences: list[Difference] = field(default_factory=list["Difference"])

    def note(self, kind: str, subject: str, detail: str, *, repaired: bool) -> None:
        self.differences.append(Difference(kind, subject, detail, repaired))


@dataclass(frozen=True, slots=True)
class Poller:
    """Looks at providers for tenants; what is younger than `quiet` may still come by webhook."""

    edge: Edge
    gateways: GatewaySource
    quiet: timedelta = RECONCILE_QUIET

    async def look_at_all(self) -> int:
        """Look at each connected provider of each tenant; return how many differences there were.

        One whose provider is away is left for the next time.
        """
        async with self.edge.db.transaction() as tx:
            found = await accounts_store.list_with_keys(tx)
        total = 0
        for tenant_id, provider in found:
            try:
                total += len((await self.look(tenant_id, provider)).differences)
            except SolventError as away:
                log.warning("reconcile_waits", tenant_id=tenant_id, reason=str(away)[:200])
            except Exception:
                log.exception("reconcile_failed", tenant_id=tenant_id, provider=provider.value)
        return total

    async def look(
        self,
        tenant_id: TenantId,
        provider: Provider,
        *,
        since: datetime | None = None,
        dry_run: bool = False,
    ) -> Report:
        """Compare a provider with what is here, mend what can be, and tell all differences.

        Raises:
            GatewayKeyMissing: the account has no API key.
            GatewayUnavailable, GatewayRefused: as the provider says.
        """
        async with self.edge.open(tenant_id, SYSTEM) as ctx:
            plan = await _plan(ctx, provider, since=since, quiet=self.quiet)
        provider_log = self.gateways(provider, plan.api_key)
        found = _Found()
        work = _Work(self.edge, tenant_id, plan, found, dry_run=dry_run)
        events = await work.events(provider_log)
        payments = await work.payments(provider_log)
        subscriptions = await work.subscriptions(provider_log) if plan.whole else None
        await work.finish()
        return Report(
            provider,
            plan.since,
            plan.until,
            events,
            payments,
            subscriptions,
            tuple(found.differences),
        )


@dataclass(frozen=True, slots=True)
class _Plan:
    provider: Provider
    api_key: str = field(repr=False)
    live: bool
    since: datetime
    until: datetime
    now: datetime
    whole: bool


async def _plan(ctx: Ctx, provider: Provider, *, since: datetime | None, quiet: timedelta) -> _Plan:
    key = await accounts.api_key(ctx, provider)
    if key is None:
        raise GatewayKeyMissing(field="provider", provider=provider.value)
    now = await accounts.real_now(ctx)
    cursor = await store.find(ctx.tx, ctx.tenant_id, provider)
    begun = cursor.read_until - RECONCILE_OVERLAP if cursor else now - RECONCILE_FIRST
    tenant = await tenants.current(ctx)
    daily = cursor is None or cursor.polled_at.date() != now.date()
    return _Plan(
        provider,
        key,
        live=tenant.mode is Mode.LIVE,
        since=since or begun,
        until=now - quiet,
        now=now,
        whole=since is not None or daily,
    )


@dataclass(frozen=True, slots=True)
class _Work:
    """One look at one provider of one tenant, each step in transactions of its own."""

    edge: Edge
    tenant_id: TenantId
    plan: _Plan
    found: _Found
    dry_run: bool

    async def events(self, provider_log: EventLog) -> int:
        """Feed what webhooks have not brought into the inbox; return how many were read."""
        types = sorted(stripe.READERS if self.plan.provider is Provider.STRIPE else paddle.READERS)
        bodies = await _in_thread(
            lambda: _first(provider_log.list_events(types, since=self.plan.since))
        )
        arrivals = [one for body in bodies if (one := self._arrival(body))]
        for start in range(0, len(arrivals), RECONCILE_BATCH):
            await self._feed(arrivals[start : start + RECONCILE_BATCH], "event_missed")
        return len(bodies)

    async def _feed(self, arrivals: Sequence[Arrival], kind: str) -> None:
        async with self.edge.open(self.tenant_id, SYSTEM) as ctx:
            keys = [one.key for one in arrivals]
            known = await inbox_store.read_digests(ctx.tx, ctx.tenant_id, keys)
            new = [one for one in arrivals if one.key not in known]
            if new and not self.dry_run:
                await inbox.admit(ctx, new)
        if new and not self.dry_run:
            async with self.edge.open(self.tenant_id, SYSTEM) as ctx:
                await apply.apply(ctx, [one.key for one in new])
        for one in new:
            subject, told = one.envelope.id, one.envelope.type
            self.found.note(kind, subject, told, repaired=not self.dry_run)

    def _arrival(self, body: bytes) -> Arrival | None:
        """Return an event as the reception would hand it over; None for what is left alone."""
        try:
            envelope = reading.envelope(self.plan.provider, read_body(body))
        except EventMalformed as malformed:
            log.warning("reconcile_unreadable", reason=str(malformed))
            return None
        wrong_mode = envelope.live is not None and envelope.live is not self.plan.live
        if wrong_mode or envelope.occurred_at > self.plan.until:
            return None
        return Arrival(
            self.plan.provider, envelope, body, POLLER, self.plan.now, EventState.RECEIVED
        )

    async def payments(self, provider_log: EventLog) -> int:
        """Compare the provider's payments with the books; return how many there were."""
        listed = await _in_thread(lambda: _first(provider_log.list_payments(since=self.plan.since)))
        ripe = [one for one in listed if one.created_at <= self.plan.until]
        for start in range(0, len(ripe), RECONCILE_BATCH):
            async with self.edge.open(self.tenant_id, SYSTEM) as ctx:
                for one in ripe[start : start + RECONCILE_BATCH]:
                    await self._compare(ctx, one)
        return len(ripe)

    async def _compare(self, ctx: Ctx, one: Listed) -> None:
        payment = await _booked(ctx, one)
        if payment is None:
            await self._book(ctx, one)
            return
        booked = (payment.amount_minor, payment.currency)
        if booked != (one.amount.amount_minor, one.amount.currency):
            detail = f"booked {booked[0]} {booked[1]}, there {one.amount.amount_minor}"
            self.found.note("amount_differs", one.payment_ref, detail, repaired=False)
        if one.provider is Provider.STRIPE:
            await self._book_refunds(ctx, one, payment)

    async def _book(self, ctx: Ctx, one: Listed) -> None:
        """Book a charge that was asked for here; report what only a human can place."""
        detail = f"{one.amount.amount_minor} {one.amount.currency}"
        if one.attempt_id is not None:
            if not self.dry_run:
                await ctx.bus.emit(ctx, _told(one))
            self.found.note("payment_missed", one.payment_ref, detail, repaired=not self.dry_run)
        elif one.buyer.provider_customer_id and await customers.find_known(
            ctx, [customers.Told(one.provider, one.buyer)]
        ):
            self.found.note("payment_missed", one.payment_ref, detail, repaired=False)

    async def _book_refunds(self, ctx: Ctx, one: Listed, payment: Payment) -> None:
        total_minor = one.refunded.amount_minor
        if total_minor == 0:
            return
        booked_minor = await refunds_store.lock_returned(
            ctx.tx,
            ctx.tenant_id,
            provider=one.provider,
            payment_id=payment.provider_payment_id,
        )
        if booked_minor >= total_minor:
            return
        if not self.dry_run:
            of = Payback(one.provider, payment.provider_payment_id)
            await book_refunds(ctx, of, one.refunded)
        detail = f"booked {booked_minor}, there {total_minor} {one.refunded.currency}"
        self.found.note("refund_missed", one.payment_ref, detail, repaired=not self.dry_run)

    async def subscriptions(self, provider_log: EventLog) -> int:
        """Compare the provider's subscriptions with the folds; return how many there were."""
        bodies = await _in_thread(
            lambda: _first(
                provider_log.list_subscriptions(since=self.plan.now - RECONCILE_SUBSCRIPTIONS)
            )
        )
        for start in range(0, len(bodies), RECONCILE_BATCH):
            await self._compare_subscriptions(bodies[start : start + RECONCILE_BATCH])
        return len(bodies)

    async def _compare_subscriptions(self, bodies: Sequence[bytes]) -> None:
        seen = [
            one for body in bodies if (one := self._arrival(_as_event(self.plan, body))) is not None
        ]
        names = [one.envelope.subscription_ref or "" for one in seen]
        async with self.edge.open(self.tenant_id, SYSTEM) as ctx:
            held = await store.statuses_of(ctx.tx, ctx.tenant_id, self.plan.provider, names)
        differ = [one for one in seen if _differs(one, held)]
        await self._feed(differ, "subscription_differs")

    async def finish(self) -> None:
        """Book disputes whose payments are known now, and note how far was read."""
        count = len(self.found.differences)
        for one in self.found.differences:
            RECONCILED.labels(self.plan.provider.value, one.kind).inc()
        if self.dry_run:
            return
        async with self.edge.open(self.tenant_id, SYSTEM) as ctx:
            await disputes.settle_lost(ctx)
            cursor = Cursor(self.plan.until, self.plan.now)
            await store.save(
                ctx.tx, ctx.tenant_id, self.plan.provider, cursor=cursor, differences=count
            )
            if count:
                data = {"differences": count, "provider": self.plan.provider.value}
                audit.record(ctx, action="payments.reconciled", subject="provider", data=data)


async def _booked(ctx: Ctx, one: Listed) -> Payment | None:
    """Return the payment that the books have for one of the provider's, by either of its names."""
    alias = await standing_store.find_alias(
        ctx.tx, ctx.tenant_id, provider=one.provider, alias=one.payment_ref
    )
    for name in (one.payment_ref, alias):
        if name:
            try:
                return await ledger.find_payment(ctx, one.provider, name)
            except PaymentNotFound:
                continue
    return None


def _told(one: Listed) -> ChargeTold:
    return ChargeTold(
        provider=one.provider,
        payment_id=one.payment_ref,
        attempt_id=one.attempt_id or "",
        subject_id=one.subject_id,
        standing=Standing.SUCCEEDED,
        amount_minor=one.amount.amount_minor,
        currency=one.amount.currency,
        code=None,
        provider_customer_id=one.buyer.provider_customer_id,
        occurred_at=one.created_at,
    )


def _as_event(plan: _Plan, body: bytes) -> bytes:
    """Return the event that would say how a subscription stands now; the same says the same id."""
    subject = json.loads(body)
    name = f"evt_poll_{hashlib.sha256(body).hexdigest()[:32]}"
    if plan.provider is Provider.STRIPE:
        told = {
            "id": name,
            "object": "event",
            "type": "customer.subscription.updated",
            "api_version": POLLER,
            "created": int(plan.until.timestamp()),
            "livemode": bool(subject.get("livemode")),
            "data": {"object": subject},
        }
    else:
        told = {
            "event_id": name,
            "event_type": "subscription.updated",
            "occurred_at": format_time(plan.until),
            "data": subject,
        }
    return json.dumps(told).encode()


def _differs(one: Arrival, held: dict[str, str | None]) -> bool:
    """Return whether a subscription stands otherwise than its events said, or is unknown."""
    fact = reading.fact(one.provider, read_body(one.body))
    status = getattr(fact, "status", None)
    return held.get(one.envelope.subscription_ref or "") != status


def _first(found: Iterable[T]) -> list[T]:
    """Return so much of a list as one look takes."""
    return list(islice(found, RECONCILE_LISTED_MAX))


async def _in_thread(call: Callable[[], T]) -> T:
    return await asyncio.to_thread(call)
