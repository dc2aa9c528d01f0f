"""Which add-ons can a subscription have, and when does one of them end?"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from solvent.kernel.catalogue.model import PlanVersion
from solvent.kernel.subscriptions.errors import AddonHeld, AddonUnfit, TooManyAddons
from solvent.kernel.subscriptions.model import Addon
from solvent.kernel.subscriptions.rules.states import months_of

ADDONS_MAX = 50
"""Add-ons that a subscription has at a time, or is to have."""


def must_fit(plan: PlanVersion, addon: PlanVersion) -> None:
    """Let pass an add-on that a subscription of the plan can have.

    Raises:
        AddonUnfit: it is none, or of another product, currency or length of period; says which.
    """
    wanted = (plan.product_key, plan.currency, months_of(plan))
    offered = (addon.product_key, addon.currency, months_of(addon))
    names = ("product", "currency", "interval")
    unlike = [name for name, one, other in zip(names, wanted, offered, strict=True) if one != other]
    if not addon.terms.addon:
        message = f"{addon.plan_key} is no add-on"
        raise AddonUnfit(message, field="plan", given=addon.plan_key)
    if unlike:
        told = " and ".join(unlike)
        message = f"the {told} of {addon.plan_key} is not one that {plan.plan_key} goes with"
        raise AddonUnfit(message, field="plan", given=addon.plan_key)


def must_be_free(held: Collection[Addon], new: Addon, *, now: datetime) -> None:
    """Let pass an add-on whose plan no other one of the subscription has at the same time.

    Raises:
        AddonHeld: one has it then; give that one another quantity.
        TooManyAddons: the subscription has as many as it may have.
    """
    live = [one for one in held if is_live(one, now) and one.id != new.id]
    if len(live) >= ADDONS_MAX:
        raise TooManyAddons(most=ADDONS_MAX)
    for one in live:
        if one.plan.plan_key == new.plan.plan_key and _meet(one, new):
            raise AddonHeld(field="plan", given=one.plan.plan_key, addon=one.id)


def is_live(addon: Addon, now: datetime) -> bool:
    """Return whether an add-on has not ended yet."""
    return addon.ends_at is None or addon.ends_at > now


def _meet(one: Addon, other: Addon) -> bool:
    begins_before = other.ends_at is None or one.starts_at < other.ends_at
    return begins_before and (one.ends_at is None or other.starts_at < one.ends_at)
