"""Over random series of outcomes and crashes: is anybody ever charged twice, or money lost?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import InvoiceStatus
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.tenants import service as tenants
from solvent.kit.errors import SolventError
from solvent.systems.payments.collection.errors import CollectionUnderWay, NothingDue
from solvent.systems.payments.collection.limits import STEPS_MAX
from solvent.systems.payments.collection.model import AttemptState
from solvent.systems.payments.collection.service import ask, begin, outcome
from solvent.systems.payments.errors import GatewayFailed, GatewayUnavailable
from solvent.systems.payments.model import Provider, Standing
from solvent.systems.payments.ports import Charged, ChargeRequest
from solvent.systems.payments.store import standing

OUTCOMES = ("pays", "declines", "lost_before", "lost_after", "fails", "crash", "pends")
"""What the bank does with the next charge, and what becomes of its answer."""

MOVES = ("work", "retry", "webhooks", "a_day_passes")


@dataclass
class Bank:
    """A provider in memory: keys with saved outcomes for a day, and charges that happen."""

    script: list[str]
    saved: dict[str, Charged | Exception] = field(default_factory=dict)
    charges: dict[str, Charged] = field(default_factory=dict)
    by_attempt: dict[str, list[str]] = field(default_factory=dict)
    crash: bool = False

    def find_method(self, request: ChargeRequest) -> str | None:
        return "pm_1"

    def charge(self, request: ChargeRequest, *, idempotency_key: str) -> Charged:
        if idempotency_key in self.saved:
            known = self.saved[idempotency_key]
            if isinstance(known, Exception):
                raise GatewayFailed("saved")
            return known
        kind = self.script.pop(0) if self.script else "pays"
        if kind == "lost_before":
            raise GatewayUnavailable("cut")
        if kind == "fails":
            self.saved[idempotency_key] = fault = GatewayUnavailable("500")
            raise fault
        made = self._make(request, kind)
        self.saved[idempotency_key] = made
        self.crash = kind == "crash"
        if kind == "lost_after":
            raise GatewayUnavailable("cut")
        return made

    def _make(self, request: ChargeRequest, kind: str) -> Charged:
        standing = {"declines": Standing.DECLINED, "pends": Standing.PENDING}.get(kind)
        name = f"pi_{request.attempt_id}_{len(self.charges)}"
        code = "insufficient_funds" if kind == "declines" else None
        made = Charged(standing or Standing.SUCCEEDED, name, request.amount, code)
        self.charges[name] = made
        self.by_attempt.setdefault(request.attempt_id, []).append(name)
        return made

    def find_charge(self, request: ChargeRequest, *, since: datetime) -> Charged | None:
        names = self.by_attempt.get(request.attempt_id, [])
        return self.charges[names[0]] if names else None

    def read_charge(self, payment_ref: str) -> Charged:
        held = self.charges[payment_ref]
        if held.standing is Standing.PENDING:  # the bank has made up its mind
            held = self.charges[payment_ref] = replace(held, standing=Standing.SUCCEEDED)
        return held

    def withdraw_charge(self, payment_ref: str) -> Charged:
        return replace(self.charges[payment_ref], standing=Standing.WITHDRAWN)

    @property
    def taken_minor(self) -> int:
        return sum(
            one.amount.amount_minor
            for one in self.charges.values()
            if one.standing is Standing.SUCCEEDED
        )


async def turn(till, bank: Bank, invoice_id: str) -> None:
    """Carry the open attempt out as the collector does, unless the process dies in between."""
    open_one = (await till.story(invoice_id)).under_way
    question = None
    if open_one:
        question = await till.do(lambda ctx: ask.first_question(ctx, open_one.id))
    for _ in range(STEPS_MAX):
        if question is None:
            return
        try:
            answer = ask.put(bank, question)
        except SolventError as fault:
            question = await till.do(lambda ctx, q=question, f=fault: ask.failed(ctx, q, f))
            continue
        if bank.crash:
            bank.crash = False
            return
        question = await till.do(lambda ctx, q=question, a=answer: ask.answered(ctx, q, a))


async def retry(till, invoice_id: str) -> None:
    try:
        await till.do(lambda ctx: begin.collect_now(ctx, invoice_id))
    except (CollectionUnderWay, NothingDue):
        return


async def tell(till, bank: Bank) -> None:
    """Deliver a webhook of each charge, the newest first, twice."""
    now = datetime.now(UTC)
    for attempt_id, names in [*bank.by_attempt.items()][::-1] * 2:
        for name in names:
            await till.do(
                lambda ctx, a=attempt_id, n=name: outcome.settle(ctx, a, bank.charges[n], at=now)
            )


async def a_day(till, bank: Bank) -> None:
    """Let the provider forget its keys, and ours grow too old to be trusted."""
    bank.saved.clear()
    old = "update payments_attempt set asked_at = asked_at - interval '25 hours'"
    await till.fetch(f"{old} where tenant_id = $1", till.tenant_id)


async def play(till, invoice, script: Sequence[str], moves: Sequence[str]) -> None:
    bank = Bank(list(script))
    for move in moves:
        match move:
            case "work":
                await turn(till, bank, invoice.id)
            case "retry":
                await retry(till, invoice.id)
            case "webhooks":
                await tell(till, bank)
            case _:
                await a_day(till, bank)
    for _ in range(len(script) + len(moves) + 3):  # peace: all that is open ends
        await turn(till, bank, invoice.id)
    story = await till.story(invoice.id)
    assert story.under_way is None
    paid = [one for one in story.attempts if one.state is AttemptState.SUCCEEDED]
    rows = await till.fetch(
        "select coalesce(sum(amount_minor), 0)::bigint from ledger_payment where customer_id = $1",
        invoice.draft.customer_id,
    )
    assert rows[0][0] == bank.taken_minor  # what is booked is what was taken
    assert bank.taken_minor in (0, 2900)
    assert len(paid) <= 1
    assert (await till.get(invoice)).status is (InvoiceStatus.PAID if paid else InvoiceStatus.FINAL)


async def another(till, name: str):
    """Return a final invoice of a customer of its own."""
    made = await till.do(lambda ctx: tenants.ensure_customer(ctx, name))
    known = {(Provider.STRIPE, f"cus_{name}"): made.id}
    await till.do(lambda ctx: standing.save_customers(ctx.tx, ctx.tenant_id, known))
    held = await till.do(lambda ctx: subscriptions.create(ctx, name, "pro"))
    invoice = await till.invoice(held)
    await till.begin(invoice)
    return invoice


async def test_nobody_is_charged_twice_and_what_is_booked_is_what_was_taken(till):
    """Each example is an invoice of its own, in one shop."""
    loop = asyncio.get_running_loop()
    names = (f"c{number}" for number in range(10_000))

    async def one(script: list[str], moves: list[str]) -> None:
        await play(till, await another(till, next(names)), script, moves)

    @settings(
        max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(
        st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=5),
        st.lists(st.sampled_from(MOVES), min_size=2, max_size=8),
    )
    @example(["lost_after"], ["work", "a_day_passes"])
    @example(["crash", "declines"], ["work", "a_day_passes", "work", "retry"])
    @example(["fails", "lost_after"], ["work", "webhooks", "work"])
    @example(["pends"], ["work", "a_day_passes", "webhooks"])
    @example(["declines", "lost_before"], ["work", "retry", "work", "a_day_passes"])
    def series(script: list[str], moves: list[str]) -> None:
        asyncio.run_coroutine_threadsafe(one(script, moves), loop).result(60)

    await asyncio.to_thread(series)
    assert (await till.do(ledger.verify)).sound
