"""What is a provider asked about an attempt, one question at a time, and what follows an answer?

Each question is written down before it is asked and answered in a transaction of its own; none is
open meanwhile. The first use of a key is committed with its amount and its card, so that the very
same can be asked again by whoever comes after a crash.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from solvent.kernel.ledger import service as ledger
from solvent.kit.ctx import Ctx
from solvent.kit.money import Money
from solvent.systems.payments.collection.limits import (
    KEY_LIFE,
    LEASE_S,
    PENDING_WAIT_S,
    QUIET_S,
)
from solvent.systems.payments.collection.model import (
    Attempt,
    AttemptKind,
    AttemptState,
    Collection,
    CollectionState,
    Purpose,
)
from solvent.systems.payments.collection.rules.schedule import wait_for_outcome
from solvent.systems.payments.collection.service import begin
from solvent.systems.payments.collection.service.outcome import NO_METHOD, settle
from solvent.systems.payments.collection.service.payer import due_minor
from solvent.systems.payments.collection.store import attempts as store
from solvent.systems.payments.collection.store import collections as collection_store
from solvent.systems.payments.collection.store.asked import ATTEMPTS
from solvent.systems.payments.errors import GatewayFailed, GatewayRefused
from solvent.systems.payments.model import CheckoutSession, Provider, Standing
from solvent.systems.payments.ports import Charged, ChargeGateway, ChargeRequest
from solvent.systems.payments.service.accounts import api_key, real_now

REFUSED = "refused"
MISSING = "resource_missing"


class Ask(StrEnum):
    """What a provider can be asked about an attempt."""

    FIND_METHOD = "find_method"
    CHARGE = "charge"
    LINK = "link"
    LOOK_UP = "look_up"
    """Whether there is a charge that carries the attempt's name."""
    READ = "read"
    WITHDRAW = "withdraw"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked next; `about` is the attempt whose payment is read or withdrawn."""

    ask: Ask
    attempt: Attempt
    request: ChargeRequest
    key: str
    api_key: str = field(repr=False)
    about: Attempt | None = None
    since: datetime | None = None
    saved: bool = False
    """The provider has saved a failure under the key."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider said."""

    method_id: str | None = None
    charged: Charged | None = None
    link: CheckoutSession | None = None


def put(gateway: ChargeGateway, question: Question) -> Answer:
    """Ask a provider, in a thread; raises as the gateway does."""
    request, about = question.request, question.about or question.attempt
    reference = about.payment_ref or ""
    match question.ask:
        case Ask.FIND_METHOD:
            return Answer(method_id=gateway.find_method(request))
        case Ask.CHARGE:
            return Answer(charged=gateway.charge(request, idempotency_key=question.key))
        case Ask.LINK:
            back = question.attempt.return_url or ""
            link = gateway.create_payment_link(
                request, return_url=back, idempotency_key=question.key
            )
            return Answer(link=link)
        case Ask.LOOK_UP:
            since = question.since or question.attempt.written_at
            return Answer(charged=gateway.find_charge(request, since=since))
        case Ask.READ:
            return Answer(charged=gateway.read_charge(reference))
        case Ask.WITHDRAW:
            return Answer(charged=gateway.withdraw_charge(reference))


async def first_question(ctx: Ctx, attempt_id: str) -> Question | None:
    """Return what to ask about an attempt now; None where nothing is left to be asked.

    What was asked for and stopped since is only looked for: to ask again might make it after all.
    """
    held, attempt = await _locked(ctx, attempt_id)
    if held is None or attempt is None or not attempt.state.under_way:
        return None
    if attempt.payment_ref:
        return await _about_made(ctx, held, attempt)
    age = await ATTEMPTS.age_of(ctx.tx, ctx.tenant_id, attempt.id)
    if age is None:
        return await _about_new(ctx, held, attempt)
    certain = attempt.provider is not Provider.PADDLE and _wanted(held, attempt)
    if certain and age.key <= KEY_LIFE:
        return await _ask_for(ctx, held, attempt)
    if not certain and age.quiet < timedelta(seconds=QUIET_S):
        await _put_off(ctx, attempt, message=attempt.message)
        return None
    return await _question(ctx, held, attempt, Ask.LOOK_UP)


def _wanted(held: Collection, attempt: Attempt) -> bool:
    """Return whether what is not there yet is still to be made."""
    return held.state is CollectionState.COLLECTING or attempt.kind is AttemptKind.LINK


async def _locked(ctx: Ctx, attempt_id: str) -> tuple[Collection | None, Attempt | None]:
    """Return an attempt and its collection, which nobody else changes meanwhile."""
    attempt = await store.find(ctx.tx, ctx.tenant_id, attempt_id)
    if attempt is None:
        return None, None
    held = await collection_store.lock(ctx.tx, ctx.tenant_id, attempt.collection_id)
    return held, await store.find(ctx.tx, ctx.tenant_id, attempt_id)


async def _about_made(ctx: Ctx, held: Collection, attempt: Attempt) -> Question:
    """Look at what the provider has, or take it back where it must not be paid any more."""
    link = attempt.kind is AttemptKind.LINK
    unwanted = held.state is CollectionState.COLLECTING or await due_minor(ctx, held) <= 0
    ask = Ask.WITHDRAW if link and unwanted else Ask.READ
    return await _question(ctx, held, attempt, ask)


async def _about_new(ctx: Ctx, held: Collection, attempt: Attempt) -> Question | None:
    """Begin an attempt of which the provider does not know, if there is still a reason for it."""
    amount_minor = await due_minor(ctx, held)
    if not _wanted(held, attempt) or amount_minor <= 0:
        await begin.withdraw_unasked(ctx, attempt)
        if held.state is CollectionState.COLLECTING:
            await begin.close_settled(ctx, held)
        return None
    attempt = replace(attempt, amount_minor=amount_minor)
    for earlier in await store.list_of(ctx.tx, ctx.tenant_id, held.id):
        if _still_payable(earlier):
            return await _question(ctx, held, attempt, Ask.WITHDRAW, about=earlier)
    if attempt.kind is AttemptKind.LINK or attempt.provider is Provider.PADDLE:
        return await ready(ctx, held, attempt, method_id=None)
    return await _question(ctx, held, attempt, Ask.FIND_METHOD)


def _still_payable(earlier: Attempt) -> bool:
    """Return whether somebody could still pay an attempt that has failed here."""
    over = earlier.state is AttemptState.DECLINED
    return over and bool(earlier.payment_ref) and earlier.withdrawn_at is None


async def ready(ctx: Ctx, held: Collection, attempt: Attempt, *, method_id: str | None) -> Question:
    """Write what is about to be asked for, from which moment its key counts; return it."""
    amount_minor, lease = attempt.amount_minor, timedelta(seconds=LEASE_S)
    await store.note_wanted(
        ctx.tx, ctx.tenant_id, attempt.id, amount_minor=amount_minor, method_id=method_id
    )
    await ATTEMPTS.note_asking(ctx.tx, ctx.tenant_id, attempt.id, lease=lease)
    written = replace(attempt, method_id=method_id, tries=attempt.tries + 1)
    ask = Ask.LINK if attempt.kind is AttemptKind.LINK else Ask.CHARGE
    return await _question(ctx, held, written, ask)


async def _ask_for(ctx: Ctx, held: Collection, attempt: Attempt) -> Question:
    """Ask the very same again."""
    return await ready(ctx, held, attempt, method_id=attempt.method_id)


async def answered(ctx: Ctx, question: Question, answer: Answer) -> Question | None:
    """Write what a provider said; return what to ask next, None where nothing is."""
    held, attempt = await _locked(ctx, question.attempt.id)
    if held is None or attempt is None or not attempt.state.under_way:
        return None
    match question.ask:
        case Ask.FIND_METHOD:
            return await _method_found(ctx, held, attempt, answer.method_id)
        case Ask.LINK if answer.link is not None:
            wait = timedelta(seconds=PENDING_WAIT_S)
            reference, url = answer.link.id, answer.link.url
            await store.note_link(
                ctx.tx, ctx.tenant_id, attempt.id, payment_ref=reference, url=url, wait=wait
            )
            return None
        case Ask.WITHDRAW if question.about is not None:
            return await _earlier_withdrawn(ctx, attempt, question.about, answer)
        case Ask.LOOK_UP if answer.charged is None:
            return await _not_there(ctx, held, attempt, question)
        case _:
            if answer.charged is not None:
                await settle(ctx, attempt.id, answer.charged, at=await real_now(ctx))
            return None


async def _method_found(
    ctx: Ctx, held: Collection, attempt: Attempt, method_id: str | None
) -> Question | None:
    if attempt.asked_at is not None:
        return None  # somebody else has asked meanwhile, perhaps for another card
    if method_id is None:
        amount = Money(attempt.amount_minor, attempt.currency)
        nothing = Charged(Standing.DECLINED, None, amount, NO_METHOD)
        await settle(ctx, attempt.id, nothing, at=ctx.now())
        return None
    amount_minor = await due_minor(ctx, held)
    if held.state is not CollectionState.COLLECTING or amount_minor <= 0:
        return await first_question(ctx, attempt.id)
    attempt = replace(attempt, amount_minor=amount_minor)
    return await ready(ctx, held, attempt, method_id=method_id)


async def _earlier_withdrawn(
    ctx: Ctx, attempt: Attempt, about: Attempt, answer: Answer
) -> Question | None:
    """Go on once an earlier attempt can be paid by nobody; if it was paid, it is booked instead."""
    await store.note_withdrawn(ctx.tx, ctx.tenant_id, about.id)
    told = answer.charged
    if told is not None and told.standing is Standing.SUCCEEDED:
        await settle(ctx, about.id, told, at=await real_now(ctx))
    return await first_question(ctx, attempt.id)


async def _not_there(
    ctx: Ctx, held: Collection, attempt: Attempt, question: Question
) -> Question | None:
    """Ask for what the provider does not have: by the next key where this one answers a failure.

    What is not wanted any more, because it was stopped or paid otherwise, is left unmade; what
    somebody else has asked for since may be on its way, and is left to them.
    """
    if attempt.tries != question.attempt.tries:
        return None
    if not _wanted(held, attempt):
        await begin.withdraw_unasked(ctx, attempt)
        return None
    number = attempt.key_number + question.saved
    await ATTEMPTS.take_key(ctx.tx, ctx.tenant_id, attempt.id, number=number)
    fresh = await store.find(ctx.tx, ctx.tenant_id, attempt.id)
    return await _ask_for(ctx, held, fresh or attempt)


async def failed(ctx: Ctx, question: Question, fault: Exception) -> Question | None:
    """Write that a question got no answer, or a refusal; return what to ask next, if anything."""
    held, attempt = await _locked(ctx, question.attempt.id)
    if held is None or attempt is None or not attempt.state.under_way:
        return None
    message = str(fault)[:300]
    asked = question.ask in (Ask.CHARGE, Ask.LINK)
    if asked and isinstance(fault, GatewayFailed):
        if attempt.tries != question.attempt.tries:
            return None
        again = await _question(ctx, held, attempt, Ask.LOOK_UP)
        return replace(again, saved=True)
    if asked and isinstance(fault, GatewayRefused):
        await _refused(ctx, attempt, fault)
        return None
    if isinstance(fault, GatewayRefused) and question.ask is Ask.FIND_METHOD:
        return await _method_found(ctx, held, attempt, None)
    if isinstance(fault, GatewayRefused) and question.about is not None:
        return await _earlier_withdrawn(ctx, attempt, question.about, Answer())
    if attempt.kind is AttemptKind.LINK and _missing(fault):
        await _refused(ctx, attempt, fault)
        return None
    await _put_off(ctx, attempt, message=message)
    return None


def _missing(fault: Exception) -> bool:
    """Return whether the provider says that there is no such thing."""
    return isinstance(fault, GatewayRefused) and fault.detail.get("provider_code") == MISSING


async def _refused(ctx: Ctx, attempt: Attempt, fault: Exception) -> None:
    """Write that the provider takes no such request; a card that is gone is no card."""
    detail = fault.detail if isinstance(fault, GatewayRefused) else {}
    told = str(detail.get("provider_code") or "")
    code = NO_METHOD if told == MISSING else (told or REFUSED)
    amount = Money(attempt.amount_minor, attempt.currency)
    standing = Standing.WITHDRAWN if attempt.kind is AttemptKind.LINK else Standing.DECLINED
    refused = Charged(standing, None, amount, code, str(fault)[:300])
    await settle(ctx, attempt.id, refused, at=ctx.now())


async def _put_off(ctx: Ctx, attempt: Attempt, *, message: str | None) -> None:
    """Ask again later, each time a little later."""
    wait = wait_for_outcome(attempt.provider, attempt.tries)
    await ATTEMPTS.put_off(
        ctx.tx, ctx.tenant_id, attempt.id, state=attempt.state, wait=wait, message=message
    )


async def _question(
    ctx: Ctx, held: Collection, attempt: Attempt, ask: Ask, *, about: Attempt | None = None
) -> Question:
    request = ChargeRequest(
        attempt_id=attempt.id,
        subject_id=held.subject_id,
        customer_ref=held.customer_id,  # unlike their own name it never changes
        provider_customer_id=attempt.provider_customer_id,
        amount=Money(attempt.amount_minor, attempt.currency),
        description=await _description(ctx, held),
        method_id=attempt.method_id,
        subscription_ref=attempt.subscription_ref,
    )
    key = await api_key(ctx, attempt.provider)
    suffix = f":{attempt.key_number}" if attempt.key_number else ""
    return Question(
        ask=ask,
        attempt=attempt,
        request=request,
        key=f"{held.subject_id}:{attempt.number}{suffix}",
        api_key=key or "",
        about=about,
        since=attempt.asked_at,
    )


async def _description(ctx: Ctx, held: Collection) -> str:
    """Return what stands on the customer's statement at the provider."""
    if held.purpose is Purpose.INVOICE:
        return f"Invoice {(await ledger.get_invoice(ctx, held.subject_id)).reference}"
    return "Credit top-up" if held.purpose is Purpose.TOP_UP else "Plan upgrade"
