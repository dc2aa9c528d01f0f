"""In whose days and in which currency does a business count, and what are its rates?"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import cast

from solvent.kernel.audit import service as audit
from solvent.kernel.tenants.errors import TimeZoneInvalid
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE
from solvent.kit.money import exponent, plain_number
from solvent.systems.revenue.errors import RateMalformed, RateNotFound
from solvent.systems.revenue.limits import (
    RATE_DECIMALS_MAX,
    RATES_AT_ONCE_MAX,
    RATES_FILE_BYTES_MAX,
)
from solvent.systems.revenue.model import Policy, Rate
from solvent.systems.revenue.rules.spans import zone_exists
from solvent.systems.revenue.service.scopes import SCOPE_READ, SCOPE_WRITE
from solvent.systems.revenue.store import rates as store

RATE_MAX = Decimal(10) ** 9


async def get_policy(ctx: Ctx) -> Policy:
    """Return in whose days and in which currency the business counts."""
    ctx.require(SCOPE_READ)
    return await store.policy(ctx.tx, ctx.tenant_id)


async def set_policy(ctx: Ctx, policy: Policy) -> Policy:
    """Say in whose days and in which currency the business counts; nothing that is kept changes.

    Raises:
        TimeZoneInvalid: there is no such zone.
        CurrencyUnknown: there is no such currency.
    """
    ctx.require(SCOPE_WRITE)
    if not zone_exists(policy.time_zone):
        raise TimeZoneInvalid(field="time_zone", given=policy.time_zone[:64])
    if policy.currency is not None:
        exponent(policy.currency)
    await store.save_policy(ctx.tx, ctx.tenant_id, policy)
    data = {"time_zone": policy.time_zone, "currency": policy.currency}
    audit.record(ctx, action="revenue.policy_set", subject=ctx.tenant_id, data=data)
    return policy


async def set_rate(ctx: Ctx, rate: Rate) -> Rate:
    """Say what a currency is worth in another from a day on; in place of an earlier word of it.

    Raises:
        RateMalformed, CurrencyUnknown: names the field.
    """
    return (await set_rates(ctx, [rate]))[0]


async def set_rates(ctx: Ctx, rates: Sequence[Rate]) -> list[Rate]:
    """As `set_rate`, for many at once: all of them or, if one is refused, none."""
    ctx.require(SCOPE_WRITE)
    if len(rates) > RATES_AT_ONCE_MAX:
        raise RateMalformed(f"expected at most {RATES_AT_ONCE_MAX} rates at once", field="rates")
    for one in rates:
        _check(one)
    await store.save(ctx.tx, ctx.tenant_id, rates, at=ctx.now())
    for one in rates:
        data = {"day": one.day.isoformat(), "rate": plain_number(one.rate)}
        audit.record(ctx, action="revenue.rate_set", subject=f"{one.base}/{one.quote}", data=data)
    return list(rates)


def _check(rate: Rate) -> None:
    exponent(rate.base)
    exponent(rate.quote)
    if rate.base == rate.quote:
        raise RateMalformed("expected two different currencies", field="quote")
    decimals = -int(rate.rate.as_tuple().exponent) if rate.rate.is_finite() else 0
    if not rate.rate.is_finite() or not 0 < rate.rate <= RATE_MAX or decimals > RATE_DECIMALS_MAX:
        told = f"expected a number above 0 with at most {RATE_DECIMALS_MAX} decimals"
        raise RateMalformed(told, field="rate", given=str(rate.rate)[:64])


async def remove_rate(ctx: Ctx, base: str, quote: str, day: date) -> None:
    """Forget what a currency was worth from a day on. Raises `RateNotFound`."""
    ctx.require(SCOPE_WRITE)
    if not await store.remove(ctx.tx, ctx.tenant_id, base=base, quote=quote, day=day):
        raise RateNotFound(field="day", given=f"{base}/{quote} {day}"[:64])
    data = {"day": day.isoformat()}
    audit.record(ctx, action="revenue.rate_removed", subject=f"{base}/{quote}"[:64], data=data)


async def list_rates(
    ctx: Ctx, *, after: tuple[str, str, date] | None = None, limit: int = PAGE_SIZE
) -> list[Rate]:
    """Return rates by their currencies and days, those after one."""
    ctx.require(SCOPE_READ)
    return await store.page(ctx.tx, ctx.tenant_id, after=after, limit=limit)


def parse_rates(text: bytes) -> list[Rate]:
    """Return the rates of a TOML file: a table `[USD.EUR]` of `2026-11-23 = 0.93`.

    Raises:
        RateMalformed: no such file; names the place.
    """
    if len(text) > RATES_FILE_BYTES_MAX:
        raise RateMalformed(f"expected at most {RATES_FILE_BYTES_MAX} bytes", field="rates")
    try:
        tables = tomllib.loads(text.decode(), parse_float=Decimal)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        raise RateMalformed(f"no TOML: {fault}"[:200], field="rates") from None
    return [
        parse_rate(base, quote, day, str(rate))
        for base, quotes in tables.items()
        for quote, days in _table(quotes, base).items()
        for day, rate in _table(days, f"{base}.{quote}").items()
    ]


def _table(value: object, name: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise RateMalformed("expected tables like [USD.EUR] of 2026-11-23 = 0.93", field=name[:64])
    return cast("Mapping[str, object]", value)


def parse_rate(base: str, quote: str, day: str, rate: str) -> Rate:
    """Return a rate from its texts.

    Raises:
        RateMalformed: the day is no day, or the rate no plain number.
    """
    place = f"{base}.{quote}.{day}"[:64]
    try:
        since = date.fromisoformat(day)
    except ValueError:
        raise RateMalformed("expected a day, for example 2026-11-23", field=place) from None
    try:
        return Rate(base, quote, since, Decimal(rate))
    except InvalidOperation:
        raise RateMalformed(field=place, given=rate[:64]) from None
